// What pages of charts share: a frame that is whole in itself (HTML with inline SVG, no scripts), readable in light and
// dark, colors, and a chart of curves over steps. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hone::cli {

// Text as HTML has it.
std::string escaped(std::string_view text);

// One color a curve, told apart by color-blind people too (Okabe and Ito).
const char* color_of(size_t curve);

// All up to the first heading of the page; `subtitle` is text. The page ends with "</html>".
std::string page_begin(std::string_view title, std::string_view subtitle);

struct Curve {
    std::string name;
    std::vector<std::pair<double, double>> points;  // x ascending
};

// The curves over one axis of x, their names in their colors. Long ones are drawn as means of some hundred parts.
std::string curves_chart(std::string_view title, const std::vector<Curve>& curves);

}  // namespace hone::cli
