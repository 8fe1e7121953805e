// hone inspect: what a model is and what it takes, or the kernels of this machine.
#include <iostream>

#include <boost/json/serialize.hpp>

#include "base/cpu_features.h"
#include "cli/model_options.h"
#include "model/checkpoint/inspect.h"
#include "model/checkpoint/pack.h"

namespace hone::cli {
namespace {

struct InspectFlags {
    ModelOptions model;
    bool json = false, verify = false;
};

Status print_kernels(const InspectFlags& flags) {
    auto chosen = kernels_for(flags.model);
    if (!chosen) return chosen.error();
    boost::json::array tables;
    for (const math::KernelTable* table : math::runnable_kernel_tables()) {
        const std::string_view needs = math::requirements_of(table->isa);
        if (!flags.json)
            fmt::print("{}, needs {}{}\n", math::name_of(table->isa), needs, table == *chosen ? "  (in use)" : "");
        boost::json::array names;
        for (const std::string_view kernel : math::kernels_of(*table)) {
            if (!flags.json) fmt::print("  {}\n", kernel);
            names.push_back(boost::json::object{{"name", kernel}});
        }
        tables.push_back({{"isa", math::name_of(table->isa)},
                          {"requires", needs},
                          {"in_use", table == *chosen},
                          {"kernels", names}});
    }
    if (flags.json) {
        std::cout << boost::json::serialize(boost::json::object{{"processor", cpu_model_name()}, {"tables", tables}})
                  << "\n";
    } else {
        fmt::print("Processor: {}. All tables give the same bits; --isa or HONE_ISA chooses.\n", cpu_model_name());
    }
    return ok();
}

Status inspect(const InspectFlags& flags) {
    if (flags.model.path == "kernels") return print_kernels(flags);
    auto weights = model::weight_choice_named(flags.model.weights);
    if (!weights) return weights.error().within("--weights");
    auto inspection = model::inspect_model(flags.model.path, *weights);
    if (!inspection) return inspection.error();
    if (flags.verify) {
        ThreadPool pool(thread_count(flags.model));
        if (const Status verified = model::verify_pack(flags.model.path, pool, flags.json); !verified) return verified;
    }
    if (flags.json) {
        auto object = model::to_json(*inspection);
        object["verified"] = flags.verify;
        std::cout << boost::json::serialize(object) << "\n";
    } else {
        std::cout << model::to_text(*inspection);
        if (flags.verify) fmt::print("  checksums     of all {} tensors are right\n", inspection->tensors.size());
    }
    return ok();
}

}  // namespace

void add_inspect(CLI::App& app, int& status) {
    auto flags = std::make_shared<InspectFlags>();
    CLI::App* verb =
        app.add_subcommand("inspect", "Architecture, tensors, sizes and memory plan of a model; or 'kernels'");
    add_model_option(*verb, flags->model, "Checkpoint folder, pack file, sprout, or the word kernels")->required();
    verb->add_flag("--json", flags->json, "Print JSON");
    verb->add_flag("--verify", flags->verify, "Read a pack file's tensors and compare each with its checksum");
    add_weights_option(*verb, flags->model);
    add_threads_option(*verb, flags->model);
    add_isa_option(*verb, flags->model);
    verb->callback([flags, &status] { status = report(inspect(*flags)); });
}

}  // namespace hone::cli
