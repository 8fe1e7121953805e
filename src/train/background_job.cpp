#include "train/background_job.h"

#include "base/cpu_features.h"
#include "base/log.h"
#include "base/progress.h"

namespace hone::train {

BackgroundJob::BackgroundJob(Turns& turns, Publish publish)
    : turns_(turns), pool_(turns), publish_(std::move(publish)) {}

Result<std::unique_ptr<BackgroundJob>> BackgroundJob::open(Recipe recipe, model::LoadedModel& loaded, Turns& turns,
                                                           const math::KernelTable& kernels, Publish publish) {
    if (recipe.train.is_full)
        return error("train.what is \"full\", but requests are answered by the same weights meanwhile; train \"lora\"");
    std::unique_ptr<BackgroundJob> background(new BackgroundJob(turns, std::move(publish)));
    auto job = Job::open(std::move(recipe), {.loaded = &loaded, .quiet = true}, background->pool_, kernels);
    if (!job) return job.error();
    background->job_ = std::move(*job);
    background->note(nullptr);
    background->publish_(background->job_->adapter());
    return background;
}

BackgroundJob::~BackgroundJob() {
    end();
}

void BackgroundJob::dismiss() {
    turns_.dismiss();
}

void BackgroundJob::end() {
    dismiss();
    if (thread_.joinable()) thread_.join();
}

void BackgroundJob::begin() {
    thread_ = std::thread([this] { run(); });
}

BackgroundStatus BackgroundJob::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

void BackgroundJob::note(const JobEvent* event) {
    const std::lock_guard lock(mutex_);
    status_.step = job_->state().step;
    status_.steps = job_->plan().steps;
    status_.tokens = job_->state().tokens;
    status_.seconds = job_->state().seconds;
    if (event) status_.loss = event->step.loss.loss;
}

Status BackgroundJob::take_steps() {
    while (!job_->is_finished()) {
        const auto event = job_->advance();
        if (!event) return event.error();
        note(&*event);
        if (!event->step.is_skipped) publish_(job_->adapter());
        LOG_INFO("training: step {} of {}, loss {:.4f}, {:.0f} tokens/s", job_->state().step, job_->plan().steps,
                 event->step.loss.loss, static_cast<double>(event->step.tokens) / event->seconds);
    }
    if (const Status finished = job_->finish(true); !finished) return finished;
    LOG_INFO("training: finished after {} steps in {}", job_->state().step, format_duration(job_->state().seconds));
    return ok();
}

void BackgroundJob::save() {
    if (!job_->is_whole())
        return LOG_ERROR("training: the step under way was left half done; it goes on from its last checkpoint");
    if (const Status saved = job_->save(); !saved) LOG_ERROR("training: {}", saved.error().message);
}

void BackgroundJob::run() {
    flush_denormals();
    bool has_failed = true;
    try {
        const Status done = take_steps();
        has_failed = !done;
        if (!done) LOG_ERROR("training ends: {}", done.error().message);
    } catch (const Dismissed&) {
        has_failed = false;
        save();
    } catch (const std::bad_alloc&) {
        LOG_ERROR("training ends: there is no memory for a step of it; set train.tokens lower");
        save();
    } catch (const std::exception& exception) {
        LOG_ERROR("training ends: {}", exception.what());
        save();
    }
    {
        const std::lock_guard lock(mutex_);
        status_.is_running = false;
        status_.has_failed = has_failed;
    }
    job_.reset();  // gradients, moments and data; the adapter is the registry's
}

}  // namespace hone::train
