#include "cli/chart_page.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hone::cli {
namespace {

constexpr const char* kStyle = R"(
:root { --ink: #1c2430; --soft: #667084; --rule: #d9dee7; --ground: #ffffff; --rest: #eef1f6; --decode: #c3cad6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf2; --soft: #98a2b5; --rule: #363e4c; --ground: #161a21; --rest: #1f252f; --decode: #465064; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 1080px;
       margin: 2em auto; padding: 0 1em; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 16px; margin: 1.8em 0 .3em; } p { color: var(--soft); margin: .3em 0; }
pre { font: 12.5px/1.45 ui-monospace, monospace; overflow-x: auto; }
svg { display: block; width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.row { display: flex; flex-wrap: wrap; gap: 12px; } .row > svg { flex: 1 1 320px; max-width: 350px; }
.grid { stroke: var(--rule); stroke-width: 1; } .curve { fill: none; stroke-width: 2; }
.rest { fill: var(--rest); } .decode { fill: var(--decode); }
table { border-collapse: collapse; } td { padding: .1em 1.2em .1em 0; border-bottom: 1px solid var(--rule); }
.target { stroke: var(--soft); stroke-dasharray: 4 3; } .key { font-weight: 600; }
)";

constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

constexpr double kLeft = 66, kRight = 490, kTop = 24, kBottom = 170;

// Means of at most kParts parts of the points.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
    constexpr size_t kParts = 400;
    if (points.size() <= kParts) return points;
    std::vector<std::pair<double, double>> thin;
    for (size_t part = 0; part < kParts; part++) {
        const size_t begin = part * points.size() / kParts, end = (part + 1) * points.size() / kParts;
        double x = 0, y = 0;
        for (size_t i = begin; i < end; i++) x += points[i].first, y += points[i].second;
        thin.emplace_back(x / static_cast<double>(end - begin), y / static_cast<double>(end - begin));
    }
    return thin;
}

struct Range {
    double least = HUGE_VAL, most = -HUGE_VAL;
    void include(double value) { least = std::min(least, value), most = std::max(most, value); }
    // Never empty, so that a constant is drawn in the middle.
    void widen() {
        if (least < most) return;
        const double half = least == 0 ? 1 : std::abs(least) / 2;
        least -= half, most += half;
    }
    double part(double value) const { return (value - least) / (most - least); }
};

}  // namespace

std::string escaped(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '<')
            safe += "&lt;";
        else if (c == '>')
            safe += "&gt;";
        else if (c == '&')
            safe += "&amp;";
        else
            safe += c;
    }
    return safe;
}

const char* color_of(size_t curve) {
    return kColors[curve % std::size(kColors)];
}

std::string page_begin(std::string_view title, std::string_view subtitle) {
    return fmt::format(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>{0}</title>\n<style>{1}</style>\n<h1>{0}</h1>\n<p>{2}</p>\n",
        escaped(title), kStyle, escaped(subtitle));
}

std::string curves_chart(std::string_view title, const std::vector<Curve>& curves) {
    std::string svg =
        fmt::format(R"(<svg viewBox="0 0 510 190"><text class="key" x="{}" y="14">{}</text>)", kLeft, escaped(title));
    std::vector<std::vector<std::pair<double, double>>> drawn;
    Range of_x, of_y;
    for (const Curve& curve : curves) {
        drawn.push_back(thinned(curve.points));
        for (const auto& [x, y] : drawn.back()) of_x.include(x), of_y.include(y);
    }
    if (of_x.least > of_x.most) return svg + fmt::format(R"(<text x="{}" y="40">none yet</text></svg>)", kLeft) + "\n";
    of_x.widen();
    of_y.widen();
    const auto x_at = [&](double x) { return kLeft + (kRight - kLeft) * of_x.part(x); };
    const auto y_at = [&](double y) { return kBottom - (kBottom - kTop) * of_y.part(y); };
    for (int i = 0; i <= 4; i++) {
        const double y = of_y.least + (of_y.most - of_y.least) * i / 4,
                     x = of_x.least + (of_x.most - of_x.least) * i / 4;
        svg += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", kLeft, kRight, y_at(y),
                           y_at(y));
        svg += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">{:.3g}</text>)", kLeft - 5, y_at(y) + 4, y);
        svg += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{:.6g}</text>)", x_at(x), kBottom + 16,
                           std::round(x));
    }
    for (size_t i = 0; i < curves.size(); i++) {
        std::string points;
        for (const auto& [x, y] : drawn[i]) points += fmt::format("{:.1f},{:.1f} ", x_at(x), y_at(y));
        svg += fmt::format(R"(<polyline class="curve" stroke="{}" points="{}"/>)", color_of(i), points);
        if (curves.size() > 1) {
            svg += fmt::format(R"(<text style="fill:{}" x="{}" y="{}" text-anchor="end">{}</text>)", color_of(i),
                               kRight, 14 + 14 * i, escaped(curves[i].name));
        }
    }
    return svg + "</svg>\n";
}

}  // namespace hone::cli
