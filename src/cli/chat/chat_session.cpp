#include "cli/chat/chat_session.h"

#include "base/progress.h"

namespace hone::cli {

Result<std::unique_ptr<ChatSession>> ChatSession::open(const ModelOptions& model, const EngineFlags& flags) {
    const auto engine_options = flags.options(model);
    if (!engine_options) return engine_options.error();
    auto opened = open_model(model, false);
    if (!opened) return opened.error();
    auto text = load_model_text(opened->loaded.files);
    if (!text) return text.error();
    opened->pool.reset();  // the engine has threads of its own
    std::unique_ptr<ChatSession> session(new ChatSession(model.path, std::move(*opened), std::move(*text)));
    auto engine = start_engine(session->open_, *engine_options);
    if (!engine) return engine.error();
    session->engine_ = std::move(*engine);
    session->maker_ = std::make_unique<RequestMaker>(session->open_, session->text_, session->engine_->max_context());
    if (auto checksums = std::exchange(session->open_.loaded.checksums, {}); checksums.file) {
        const auto done = [&damaged = session->damaged_](const Status& verified) {
            if (verified) return;
            damaged = true;  // before it is told: what is typed after the message is not answered
            fmt::print(stderr, "\nhone: {}\n", verified.error().message);
        };
        session->verification_ = std::make_unique<model::BackgroundVerification>(std::move(checksums), done);
    }
    return session;
}

std::string ChatSession::description() const {
    const model::ModelSpec& spec = open_.loaded.model->spec();
    std::string experts;
    if (spec.experts > 0)
        experts = fmt::format(", {} experts of which {} answer", spec.experts, spec.experts_per_token);
    return fmt::format("{} ({}): {} layers{}, {} of weights in {}, context {} tokens", name(), path_, spec.layers,
                       experts, format_bytes(static_cast<double>(open_.loaded.weights.bytes().size())),
                       numeric_class_name(open_), engine_->max_context());
}

}  // namespace hone::cli
