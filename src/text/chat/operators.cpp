#include "text/chat/operators.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "text/chat/markup.h"
#include "text/chat/objects.h"
#include "text/chat/percent_format.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

double as_real(const Value& number) {
    return number.is(Kind::real) ? number.real() : static_cast<double>(number.integer());
}

namespace {

constexpr std::string_view kOperatorSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

Value fail_operands(Rendering& rendering, BinaryOperator op, const Value& left, const Value& right) {
    return rendering.fail(ErrorClass::type, "unsupported operand type(s) for {}: '{}' and '{}'",
                          kOperatorSymbols[static_cast<size_t>(op)], type_name(left), type_name(right));
}

Value fail_overflow(Rendering& rendering) {
    return rendering.fail(ErrorClass::overflow, "an integer beyond 127 bits");
}

Integer floor_divide(Integer left, Integer right) {
    Integer quotient = left / right;
    return quotient - (left % right != 0 && (left < 0) != (right < 0));
}

// Python's float modulo: the sign of the divisor.
double floor_modulo(double left, double right) {
    double rest = std::fmod(left, right);
    if (rest == 0) return std::copysign(0.0, right);
    return (rest < 0) != (right < 0) ? rest + right : rest;
}

double floor_divide(double left, double right) {
    double quotient = (left - floor_modulo(left, right)) / right;
    if (quotient == 0) return std::copysign(0.0, left / right);
    double floored = std::floor(quotient);
    return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value power(Rendering& rendering, const Value& left, const Value& right) {
    if (!left.is_integral() || !right.is_integral() || right.integer() < 0) {
        double base = as_real(left), exponent = as_real(right);
        if (base == 0 && exponent < 0)
            return rendering.fail(ErrorClass::zero_division, "0.0 cannot be raised to a negative power");
        if (base < 0 && std::isfinite(exponent) && exponent != std::floor(exponent))
            return rendering.fail(ErrorClass::value, "a negative number to a fractional power is complex");
        double result = std::pow(base, exponent);
        if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
            return rendering.fail(ErrorClass::overflow, "Numerical result out of range");
        return Value::real(result);
    }
    Integer result = 1, base = left.integer();
    if (base == 0 || base == 1) return Value::integer(right.integer() == 0 ? 1 : base);
    if (base == -1) return Value::integer(right.integer() % 2 == 0 ? 1 : -1);
    for (Integer exponent = right.integer(); exponent > 0; exponent >>= 1) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) return fail_overflow(rendering);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return fail_overflow(rendering);
    }
    return Value::integer(result);
}

Value integer_result(Rendering& rendering, BinaryOperator op, Integer left, Integer right) {
    Integer result = 0;
    switch (op) {
        case BinaryOperator::add:
            if (__builtin_add_overflow(left, right, &result)) return fail_overflow(rendering);
            break;
        case BinaryOperator::subtract:
            if (__builtin_sub_overflow(left, right, &result)) return fail_overflow(rendering);
            break;
        case BinaryOperator::multiply:
            if (__builtin_mul_overflow(left, right, &result)) return fail_overflow(rendering);
            break;
        default:
            if (right == 0)
                return rendering.fail(ErrorClass::zero_division, "integer {}modulo by zero",
                                      op == BinaryOperator::modulo ? "" : "division or ");
            if (right == -1)
                return integer_result(rendering, BinaryOperator::multiply, op == BinaryOperator::modulo ? 0 : left, -1);
            result = floor_divide(left, right);
            if (op == BinaryOperator::modulo) result = left - result * right;
    }
    return Value::integer(result);
}

Value number_result(Rendering& rendering, BinaryOperator op, const Value& left, const Value& right) {
    if (op == BinaryOperator::power) return power(rendering, left, right);
    bool is_exact = left.is_integral() && right.is_integral();
    if (is_exact && op != BinaryOperator::divide) return integer_result(rendering, op, left.integer(), right.integer());
    double a = as_real(left), b = as_real(right);
    if (op == BinaryOperator::add) return Value::real(a + b);
    if (op == BinaryOperator::subtract) return Value::real(a - b);
    if (op == BinaryOperator::multiply) return Value::real(a * b);
    if (b == 0) {
        if (op == BinaryOperator::divide)
            return rendering.fail(ErrorClass::zero_division, "{}division by zero", is_exact ? "" : "float ");
        return rendering.fail(ErrorClass::zero_division, "float {}",
                              op == BinaryOperator::modulo ? "modulo" : "floor division by zero");
    }
    if (op == BinaryOperator::divide) return Value::real(a / b);
    return Value::real(op == BinaryOperator::modulo ? floor_modulo(a, b) : floor_divide(a, b));
}

Value join_sequences(Rendering& rendering, const Value& left, const Value& right) {
    std::span<const Value> a = left.items(), b = right.items();
    if (!rendering.admit_values(a.size() + b.size())) return rendering.nothing();
    std::span<Value> items = rendering.heap().array<Value>(a.size() + b.size());
    std::copy(a.begin(), a.end(), items.begin());
    std::copy(b.begin(), b.end(), items.begin() + a.size());
    return left.is(Kind::list) ? Value::list(items) : Value::tuple(items);
}

Value add_strings(Rendering& rendering, const Value& left, const Value& right) {
    bool is_markup = left.is_markup() || right.is_markup();
    std::string_view a = left.text(), b = right.text();
    if (is_markup && !left.is_markup()) a = escaped(rendering, left);
    if (is_markup && !right.is_markup()) b = escaped(rendering, right);
    return rendering.concatenate(a, b, is_markup);
}

Value repeat(Rendering& rendering, const Value& sequence, Integer times) {
    bool is_text = sequence.is(Kind::string);
    size_t size = is_text ? sequence.text().size() : sequence.items().size();
    if (times < 0 || size == 0) times = 0;
    // More than any limit allows, and still far from an overflow of the product.
    auto count = static_cast<size_t>(std::min<Integer>(times, Integer{1} << 40));
    if (size > (size_t{1} << 62) / std::max<size_t>(count, 1)) count = 0;
    if (is_text) {
        if (!rendering.admit_text(size * count)) return rendering.nothing();
        auto* bytes = static_cast<char*>(rendering.heap().take(size * count, 1));
        size_t done = count == 0 ? 0 : size;
        if (done > 0) std::memcpy(bytes, sequence.text().data(), size);
        for (; done < size * count; done += std::min(done, size * count - done))
            std::memcpy(bytes + done, bytes, std::min(done, size * count - done));
        return Value::string({bytes, size * count}, sequence.is_markup());
    }
    if (!rendering.admit_values(size * count)) return rendering.nothing();
    std::span<Value> items = rendering.heap().array<Value>(size * count);
    for (size_t i = 0; i < items.size(); ++i) items[i] = sequence.items()[i % size];
    return sequence.is(Kind::list) ? Value::list(items) : Value::tuple(items);
}

bool is_repeatable(const Value& value) {
    return value.is(Kind::string) || value.is_sequence();
}

}  // namespace

Value apply(Rendering& rendering, BinaryOperator op, const Value& left, const Value& right) {
    if (left.is_number() && right.is_number()) return number_result(rendering, op, left, right);
    if (left.is(Kind::undefined)) return rendering.fail_undefined(left);
    if (op == BinaryOperator::modulo && left.is(Kind::string)) return percent_format(rendering, left, right);
    if (right.is(Kind::undefined)) return rendering.fail_undefined(right);
    if (op == BinaryOperator::add) {
        if (left.is(Kind::string) && right.is(Kind::string)) return add_strings(rendering, left, right);
        if (left.is_sequence() && left.kind() == right.kind()) return join_sequences(rendering, left, right);
        if (left.is(Kind::string) || left.is_sequence())
            return rendering.fail(ErrorClass::type, "can only concatenate {} (not \"{}\") to {}", type_name(left),
                                  type_name(right), type_name(left));
    }
    if (op == BinaryOperator::multiply) {
        if (is_repeatable(left) && right.is_integral()) return repeat(rendering, left, right.integer());
        if (is_repeatable(right) && left.is_integral()) return repeat(rendering, right, left.integer());
        if (is_repeatable(left) || is_repeatable(right))
            return rendering.fail(ErrorClass::type, "can't multiply sequence by non-int of type '{}'",
                                  type_name(is_repeatable(left) ? right : left));
    }
    return fail_operands(rendering, op, left, right);
}

Value negate(Rendering& rendering, const Value& operand) {
    if (operand.is(Kind::real)) return Value::real(-operand.real());
    if (operand.is_integral()) return integer_result(rendering, BinaryOperator::subtract, 0, operand.integer());
    if (operand.is(Kind::undefined)) return rendering.fail_undefined(operand);
    return rendering.fail(ErrorClass::type, "bad operand type for unary -: '{}'", type_name(operand));
}

Value plus(Rendering& rendering, const Value& operand) {
    if (operand.is(Kind::real)) return operand;
    if (operand.is_integral()) return Value::integer(operand.integer());
    if (operand.is(Kind::undefined)) return rendering.fail_undefined(operand);
    return rendering.fail(ErrorClass::type, "bad operand type for unary +: '{}'", type_name(operand));
}

}  // namespace hone::text::chat
