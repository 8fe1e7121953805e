#include "cli/train_report.h"

#include <fstream>

#include <boost/json/parse.hpp>

#include "base/atomic_file.h"
#include "base/progress.h"
#include "cli/chart_page.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

// The curves by the names that lines have; all over the number of the step.
struct Curves {
    Curve loss{"training", {}}, evaluation{"evaluation", {}}, rate, norm, speed, aux, accuracy;
    double seconds = 0, tokens = 0;

    void take(const json::object& line) {
        const auto number = [&](const char* name) -> std::optional<double> {
            const json::value* value = line.if_contains(name);
            return value && value->is_number() ? std::optional(value->to_number<double>()) : std::nullopt;
        };
        const double step = number("step").value_or(0);
        const auto add = [&](Curve& curve, std::optional<double> value) {
            if (value) curve.points.emplace_back(step, *value);
        };
        add(loss, number("loss"));
        add(evaluation, number("evaluation_loss"));
        add(rate, number("learning_rate"));
        add(norm, number("gradient_norm"));
        add(aux, number("aux_loss"));
        add(accuracy, number("accuracy"));
        const double of_step = number("seconds").value_or(0);
        if (of_step <= 0) return;
        seconds += of_step;
        tokens += number("tokens").value_or(0);
        add(speed, number("tokens").value_or(0) / of_step);
    }
};

Curves read_metrics(const std::filesystem::path& path) {
    Curves curves;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        boost::system::error_code failure;
        const json::value parsed = json::parse(line, failure);
        if (!failure && parsed.is_object()) curves.take(parsed.get_object());
    }
    return curves;
}

}  // namespace

Status write_train_report(const train::Recipe& recipe, const std::string& model) {
    const Curves curves = read_metrics(recipe.output / "metrics.jsonl");
    std::string page = page_begin(fmt::format("{} of {}", name_of(recipe.kind), model),
                                  fmt::format("{} steps, {:.0f} tokens in {}", curves.loss.points.size(), curves.tokens,
                                              format_duration(curves.seconds)));
    page += curves_chart("Loss", {curves.loss, curves.evaluation});
    page += curves_chart("Learning rate", {curves.rate});
    page += curves_chart("Norm of the gradient", {curves.norm});
    page += curves_chart("Tokens a second", {curves.speed});
    if (!curves.aux.points.empty()) page += curves_chart("Load-balancing loss", {curves.aux});
    if (!curves.accuracy.points.empty()) page += curves_chart("Pairs told apart", {curves.accuracy});
    page += "<h2>Recipe</h2>\n<table>\n";
    for (const train::RecipeValue& each : recipe.values)
        page += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escaped(each.key), escaped(each.value));
    page += "</table>\n</html>\n";
    auto file = AtomicFile::create(recipe.output / "report.html");
    if (!file) return file.error();
    if (const Status written = file->write(page); !written) return written;
    return file->commit();
}

}  // namespace hone::cli
