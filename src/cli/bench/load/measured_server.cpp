#include "cli/bench/load/measured_server.h"

#include <sstream>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "model/checkpoint/inspect.h"
#include "model/checkpoint/shapes.h"
#include "model/zoo/zoo.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

// Of token ids for a server that does not tell its own: every known model has as many.
constexpr int32_t kCommonVocabulary = 32000;

Result<int32_t> vocabulary_of(const ModelOptions& options) {
    if (!options.shape.empty()) {
        auto config = model::shape_config(options.shape);
        if (!config) return config.error().within("--shape");
        auto model = model::make_model(*config);
        if (!model) return model.error().within("--shape");
        return (*model)->spec().vocabulary;
    }
    const auto weights = model::weight_choice_named(options.weights);
    if (!weights) return weights.error().within("--weights");
    const auto inspection = model::inspect_model(options.path, *weights);
    if (!inspection) return inspection.error();
    return inspection->spec.vocabulary;
}

// Fills in what /v1/models says.
Status ask_for_model(MeasuredServer& server) {
    const auto answer = server.client.get("/v1/models");
    if (!answer) return answer.error();
    boost::system::error_code failure;
    const json::value value = json::parse(*answer, failure);
    const auto* object = failure ? nullptr : value.if_object();
    const json::value* data = object ? object->if_contains("data") : nullptr;
    const auto* models = data ? data->if_array() : nullptr;
    if (!models) return error("{}/v1/models answered with no list of models", server.client.address().url());
    for (const json::value& entry : *models) {
        const auto* model = entry.if_object();
        const json::value* id = model ? model->if_contains("id") : nullptr;
        if (!id || !id->is_string() || (!server.model.empty() && id->get_string() != server.model)) continue;
        server.model = std::string(id->get_string());
        const json::value* length = model->if_contains("max_model_len");
        if (length && length->is_int64()) server.context = static_cast<int32_t>(length->get_int64());
        return ok();
    }
    if (server.model.empty()) return error("{}/v1/models lists no model", server.client.address().url());
    return ok();  // some servers answer to names that they do not list
}

}  // namespace

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

Result<MeasuredServer> start_server(const ModelOptions& model, const std::vector<std::string>& flags,
                                    const ClientOptions& client) {
    const auto vocabulary = vocabulary_of(model);
    if (!vocabulary) return vocabulary.error();
    std::vector<std::string> arguments = server_arguments(model);
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    auto process = ServerProcess::start(arguments);
    if (!process) return process.error();
    if (const Status listens = process->wait_until_listening(); !listens) return listens.error();
    auto connected = LoadClient::create({.host = "127.0.0.1", .port = process->port()}, client);
    if (!connected) return connected.error();
    MeasuredServer server{.process = std::move(*process), .client = std::move(*connected), .vocabulary = *vocabulary};
    if (const Status asked = ask_for_model(server); !asked) return asked.error();
    return server;
}

Result<MeasuredServer> reach_server(const std::string& url, std::string name, const ClientOptions& client) {
    const auto address = parse_server_url(url);
    if (!address) return address.error();
    auto connected = LoadClient::create(*address, client);
    if (!connected) return connected.error();
    MeasuredServer server{
        .process = {}, .client = std::move(*connected), .model = std::move(name), .vocabulary = kCommonVocabulary};
    if (const Status asked = ask_for_model(server); !asked) return asked.error();
    return server;
}

}  // namespace hone::cli
