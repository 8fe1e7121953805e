#include "text/grammar/json_schema.h"

#include <boost/json/parse.hpp>

#include "text/grammar/schema_compiler.h"
#include "text/grammar/source_reader.h"

namespace hone::text {

Result<Expression> add_json_schema(GrammarBuilder& builder, const boost::json::value& schema,
                                   const JsonSchemaOptions& options) {
    auto expression = SchemaCompiler(builder, schema, options).compile(schema);
    if (!expression) return expression.error().within("schema");
    return expression;
}

Expression add_json_object(GrammarBuilder& builder, const JsonSchemaOptions& options) {
    return JsonParts(builder, options.whitespace).object();
}

Expression add_json_value(GrammarBuilder& builder, const JsonSchemaOptions& options) {
    return JsonParts(builder, options.whitespace).value();
}

Result<Grammar> grammar_of_json_schema(std::string_view schema, const JsonSchemaOptions& options,
                                       const GrammarLimits& limits) {
    if (const Status status = check_source(schema, limits); !status) return status.error().within("schema");
    boost::json::parse_options parse;
    parse.max_depth = limits.nesting;
    boost::system::error_code code;
    const boost::json::value value = boost::json::parse(schema, code, {}, parse);
    if (code) return error("schema: it is not JSON: {}", code.message());
    GrammarBuilder builder(limits);
    const auto root = add_json_schema(builder, value, options);
    if (!root) return root.error();
    return builder.build(*root);
}

}  // namespace hone::text
