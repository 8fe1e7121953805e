#include "text/grammar/json_schema.h"

#include "text/grammar/schema_compiler.h"

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

}  // namespace hone::text
