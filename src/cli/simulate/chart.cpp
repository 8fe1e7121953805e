#include "cli/simulate/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/chart_page.h"

namespace hone::cli {
namespace {

// "250 ms", "1.5 s"
std::string duration(double seconds) {
    return seconds < 1 ? fmt::format("{:g} ms", seconds * 1000) : fmt::format("{:g} s", seconds);
}

// The curves of one quantity: share of the values that are at most x, x on a logarithmic axis.
struct Distribution {
    std::string title;
    std::vector<std::vector<double>> values;  // of each run, ascending
    double target = 0;                        // a line there; 0: none
};

class DistributionChart {
  public:
    explicit DistributionChart(const Distribution& distribution) : distribution_(distribution) {
        double least = std::numeric_limits<double>::max(), most = 0;
        for (const auto& values : distribution.values) {
            if (values.empty()) continue;
            least = std::min(least, std::max(values[values.size() / 100], 1e-4));
            most = std::max(most, values.back());
        }
        if (!has_values()) return;
        least_ = std::log10(std::min(least, most));
        most_ = std::max(std::log10(std::max(most, 1e-4)), least_ + 0.3);
    }

    std::string svg() const {
        std::string svg = fmt::format(R"(<svg viewBox="0 0 340 240"><text class="key" x="38" y="14">{}</text>)",
                                      escaped(distribution_.title));
        if (!has_values()) return svg + R"(<text x="38" y="34">none in these runs</text></svg>)" + "\n";
        for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
            svg += fmt::format(R"(<line class="grid" x1="38" x2="332" y1="{0:.1f}" y2="{0:.1f}"/>)", y(share));
            svg +=
                fmt::format(R"(<text x="33" y="{:.1f}" text-anchor="end">{:.0f}%</text>)", y(share) + 4, share * 100);
        }
        svg += ticks();
        if (distribution_.target > 0 && inside(distribution_.target)) {
            svg += fmt::format(R"(<line class="target" x1="{0:.1f}" x2="{0:.1f}" y1="24" y2="212"/>)",
                               x(distribution_.target));
        }
        for (size_t run = 0; run < distribution_.values.size(); run++) svg += curve(run);
        return svg + "</svg>\n";
    }

  private:
    bool has_values() const {
        return std::ranges::any_of(distribution_.values, [](const auto& values) { return !values.empty(); });
    }
    static double y(double share) { return 212 - 188 * share; }
    double x(double seconds) const {
        const double part = (std::log10(std::max(seconds, 1e-9)) - least_) / (most_ - least_);
        return 38 + 294 * std::clamp(part, 0.0, 1.0);
    }
    bool inside(double seconds) const { return std::log10(seconds) >= least_ && std::log10(seconds) <= most_; }

    std::string ticks() const {
        const bool few = most_ - least_ > 1.6;  // then powers of ten alone
        std::string svg;
        for (int power = static_cast<int>(std::floor(least_)); power <= static_cast<int>(std::ceil(most_)); power++) {
            for (const double digit : {1.0, 2.0, 5.0}) {
                const double seconds = digit * std::pow(10.0, power);
                if (!inside(seconds) || (few && digit != 1)) continue;
                svg += fmt::format(R"(<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="24" y2="212"/>)", x(seconds));
                svg += fmt::format(R"(<text x="{:.1f}" y="228" text-anchor="middle">{}</text>)", x(seconds),
                                   duration(seconds));
            }
        }
        return svg;
    }

    std::string curve(size_t run) const {
        constexpr int kPoints = 240;
        const std::vector<double>& values = distribution_.values[run];
        if (values.empty()) return "";
        std::string points;
        for (int i = 0; i <= kPoints; i++) {
            const double share = static_cast<double>(i) / kPoints;
            const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
            points += fmt::format("{:.1f},{:.1f} ", x(values[at]), y(share));
        }
        return fmt::format(R"(<polyline class="curve" stroke="{}" points="{}"/>)", color_of(run), points);
    }

    const Distribution& distribution_;
    double least_ = 0, most_ = 0;  // logarithms of the ends of the axis
};

std::string distributions(std::span<const ChartedRun> runs, const LatencyTargets& targets) {
    Distribution all[] = {{"Time to first token", {}, targets.ttft.value_or(0)},
                          {"Gap between tokens", {}, targets.gap.value_or(0)},
                          {"Time to last token", {}, 0}};
    for (const ChartedRun& run : runs) {
        std::vector<double> first_tokens, wholes;
        for (const RequestOutcome& request : run.result->requests) {
            if (request.output_tokens == 0) continue;
            first_tokens.push_back(request.first_token - request.arrival);
            wholes.push_back(request.end - request.arrival);
        }
        all[0].values.push_back(std::move(first_tokens));
        all[1].values.emplace_back(run.result->gaps.begin(), run.result->gaps.end());
        all[2].values.push_back(std::move(wholes));
    }
    std::string html = "<div class=\"row\">\n";
    for (Distribution& distribution : all) {
        for (auto& values : distribution.values) std::ranges::sort(values);
        html += DistributionChart(distribution).svg();
    }
    return html + "</div>\n";
}

// Colors of prompts beside one another differ: the golden angle apart.
std::string prompt_color(uint64_t sequence) {
    return fmt::format("hsl({:.0f} 62% 55%)", std::fmod(static_cast<double>(sequence) * 137.508, 360));
}

std::string timeline(const ChartedRun& run) {
    constexpr double kWidth = 1040, kLeft = 34, kTop = 8, kHeight = 150;
    const Timeline& timeline = *run.timeline;
    const double end = timeline.steps().empty()
                           ? timeline.from() + timeline.seconds()
                           : std::min(timeline.steps().back().ended, timeline.from() + timeline.seconds());
    const double from = timeline.from(), seconds = std::max(end - from, 1e-9);
    const auto x = [&](double time) {
        return kLeft + (kWidth - kLeft) * std::clamp((time - from) / seconds, 0.0, 1.0);
    };
    const auto y = [&](int32_t layer) { return kTop + kHeight * layer / run.layers; };
    std::string svg = fmt::format(R"(<svg viewBox="0 0 {} {}">)", kWidth, kTop + kHeight + 24);
    svg += fmt::format(R"(<rect x="{}" y="{}" width="{}" height="{}" class="rest"/>)", kLeft, kTop, kWidth - kLeft,
                       kHeight);
    svg += fmt::format(
        R"(<text x="{0}" y="{1}" text-anchor="end">0</text><text x="{0}" y="{2}" text-anchor="end">{3}</text>)",
        kLeft - 5, kTop + 10, kTop + kHeight, run.layers);
    for (const TimelineStep& step : timeline.steps()) {
        const double left = x(step.began), width = std::max(x(step.ended) - left - 0.4, 0.3);
        if (step.decodes > 0) {
            svg += fmt::format(
                R"(<rect x="{:.2f}" y="{}" width="{:.2f}" height="{}" class="decode"><title>{} decoding</title></rect>)",
                left, kTop, width, kHeight, step.decodes);
        }
        for (const TimelineBlock& block : step.blocks) {
            svg += fmt::format(
                R"(<rect x="{:.2f}" y="{:.1f}" width="{:.2f}" height="{:.1f}" fill="{}">)"
                R"(<title>request {}: {} tokens, layers {} to {}, {:.1f} ms, beside {} decoding</title></rect>)",
                left, y(block.first_layer), width, y(block.end_layer) - y(block.first_layer),
                prompt_color(block.sequence), block.sequence, block.tokens, block.first_layer, block.end_layer,
                (step.ended - step.began) * 1000, step.decodes);
        }
    }
    for (int i = 0; i <= 4; i++) {
        const double time = from + seconds * i / 4;
        svg += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="{}">{:.2f} s</text>)", x(time), kTop + kHeight + 16,
                           i == 0   ? "start"
                           : i == 4 ? "end"
                                    : "middle",
                           time);
    }
    return svg + "</svg>\n";
}

}  // namespace

std::string to_page(const ChartTexts& texts, std::span<const ChartedRun> runs, const LatencyTargets& targets) {
    std::string page = page_begin(texts.title, texts.subtitle) + "<p>";
    std::vector<Summary> summaries;
    for (size_t run = 0; run < runs.size(); run++) {
        page += fmt::format(R"(<span class="key" style="color:{}">&#9632; {}</span>&ensp;)", color_of(run),
                            escaped(runs[run].summary->policy));
        summaries.push_back(*runs[run].summary);
    }
    page += "</p>\n<h2>Share of requests, or gaps, that take at most so long</h2>\n";
    page += distributions(runs, targets);
    page +=
        "<h2>Steps: what prompts pass which layers, when</h2>\n<p>From left to right a step after the other, from top "
        "to "
        "bottom the model's layers. Colored: a part of a prompt; grey: rows that decode, which pass all layers in "
        "every "
        "step.</p>\n";
    for (size_t run = 0; run < runs.size(); run++) {
        page += fmt::format("<p class=\"key\" style=\"color:{}\">{}</p>\n", color_of(run),
                            escaped(runs[run].summary->policy));
        page += timeline(runs[run]);
    }
    page += fmt::format("<h2>Figures</h2>\n<pre>{}</pre>\n<p>{}</p>\n</html>\n", escaped(to_table(summaries, targets)),
                        escaped(texts.source));
    return page;
}

}  // namespace hone::cli
