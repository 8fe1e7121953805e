// What a job minimises over the documents of a pass: the loss, and on the way back its gradients in the weights that are
// trained. Losses are means over a whole step, so a step gives the same however many passes it is cut into. One for each
// kind of job; one thread.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "train/balance.h"
#include "train/data/packing.h"
#include "train/training_pass.h"

namespace hone::train {

// A model that learns nothing. `adapter` may be null.
struct PassModel {
    const model::Model& model;
    const model::Adapter* adapter = nullptr;
};

// The model that is trained.
struct Student {
    const model::Model& model;
    math::OpContext& ops;
    TrainingPass& pass;
    ExpertBalance* balance = nullptr;  // is told the load of each pass; null: nobody wants to know

    void note_load() const {
        if (balance) balance->add(pass.selections());
    }
};

struct PassPurpose {
    double total = 1;    // weight of the step, or evaluation, that this pass is a part of: losses are divided by it
    bool learns = true;  // otherwise no gradients
};

// Divides weights or gradients by the weight that a mean is over.
void divide(std::span<float> values, double total);

struct PassLoss {
    double loss = 0;      // its part of the mean
    double aux_loss = 0;  // of the pass; 0 where nobody asks for it
    // Parts of other means over the weight, by name.
    std::vector<std::pair<std::string_view, double>> more;

    void add(const PassLoss& other);
};

class Objective {
  public:
    virtual ~Objective() = default;
    // What a batch counts in means: its trained tokens with their weights, or its pairs.
    virtual double weight(const Batch& batch) const;
    virtual PassLoss run(const Student& student, const Batch& batch, const PassPurpose& purpose) = 0;
};

// -w log p of the targets.
std::unique_ptr<Objective> cross_entropy_objective();
// The divergence from a teacher at each position, alpha as in losses/distillation.h: over the whole vocabulary, or over
// the teacher's top_k > 0 tokens and a rest.
std::unique_ptr<Objective> distillation_objective(PassModel teacher, float alpha, int64_t top_k);
// Of the pairs of a batch; targets of weight 0 are prompts.
std::unique_ptr<Objective> preference_objective(PassModel reference, float beta);

}  // namespace hone::train
