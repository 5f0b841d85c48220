/* reference_pages: writes the generated pages of docs/reference from the const tables that the program
 * itself uses (options, error codes, metrics, operators, routes), so that they cannot tell otherwise.
 *
 *     reference_pages --list     names of the pages
 *     reference_pages PAGE       the page's Markdown
 *
 * tools/check_reference compares them with what is in the tree, and writes them with --write.
 * Thread: main. */
#include "common/base/error.h"
#include "common/base/failpoint.h"
#include "common/base/str.h"
#include "common/conf/conf.h"
#include "common/metrics/metric_names.h"
#include "connectors/registry/registry.h"
#include "engine/functions/functions.h"
#include "engine/operators/registry.h"
#include "engine/query/query.h"
#include "engine/table/table.h"
#include "formats/format.h"
#include "jobmanager/rest/rest_internal.h"
#include <stdio.h>
#include <string.h>

static void write_configuration(struct str *out)
{
    conf_write_reference(conf_schema_cluster(), out);
}

static void write_errors(struct str *out)
{
    static const int codes[] = {
#define ERROR_CODE_VALUE(name, value, cls, text) (value),
        ERROR_CODES(ERROR_CODE_VALUE)
#undef ERROR_CODE_VALUE
    };
    str_append_cstr(
        out,
        "# Errors\n\n"
        "<!-- Generated from ERROR_CODES by tools/check_reference --write; do not edit. -->\n\n"
        "Every error has a code, and the code a class that decides what happens to a job:\n"
        "`user` and `bug` fail it, `transient` is retried or restarts it by its restart\n"
        "strategy, `fatal` needs a person.\n\n"
        "| code | name | class | meaning |\n|---:|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i] != ERR_OK) {
            str_printf(out, "| %d | %s | %s | %s |\n", codes[i], error_code_name(codes[i]),
                       error_class_name(error_code_class(codes[i])), error_code_text(codes[i]));
        }
    }
}

static void write_failpoints(struct str *out)
{
    size_t n;
    const struct failpoint_row *rows = failpoint_rows(&n);
    const char *protocol = "";
    str_append_cstr(
        out,
        "# Failpoints\n\n"
        "<!-- Generated from common/base/failpoint_table.c by tools/check_reference --write; do "
        "not edit. -->\n\n"
        "Places at which tests make something go wrong, by protocol; "
        "`flinc-jobmanager --list-failpoints` prints the\nsame. "
        "`FLINC_FAILPOINTS=\"NAME=ACTION[,nth=N][,one_in=K][;...]\"` in the environment of a "
        "process sets some, with\nthe actions `error[:TEXT]`, `delay:MS`, `kill`, `stop`, `abort`; "
        "unset they cost nothing. With\n`FLINC_FAILPOINT_REPORT=FOLDER` each process writes there "
        "which of them it comes to.\n");
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].protocol, protocol) != 0) {
            protocol = rows[i].protocol;
            str_printf(out, "\n## %c%s\n\n| failpoint | process | where |\n|---|---|---|\n",
                       protocol[0] >= 'a' && protocol[0] <= 'z' ? protocol[0] - 'a' + 'A'
                                                                : protocol[0],
                       protocol + 1);
        }
        str_printf(out, "| `%s` | %s | %s |\n", rows[i].name, failpoint_role_name(rows[i].role),
                   rows[i].text);
    }
}

static void write_operator(const struct operator_desc *o, struct str *out)
{
    str_printf(out, "| `%s` | %u | %u | %s |\n", o->kind, o->version, o->n_inputs, o->summary);
}

static void write_operators(struct str *out)
{
    size_t n;
    const struct operator_desc *const *operators = operator_all(&n);
    str_append_cstr(
        out,
        "# Operators\n\n"
        "<!-- Generated from the operator registry by tools/check_reference --write; do not edit. "
        "-->\n\n"
        "The kinds of operators that a job graph may name. A kind without inputs is a source.\n\n"
        "| kind | version | inputs | what it does |\n|---|---:|---:|---|\n");
    for (size_t i = 0; i < n; i++) {
        write_operator(operators[i], out);
    }
    connectors_register();
    operators = query_operator_all(&n);
    for (size_t i = 0; i < n; i++) {
        write_operator(operators[i], out);
    }
    write_operator(table_operator_find("flinc.table.plugin_sink"), out);
    write_operator(table_operator_find("flinc.table.plugin_source"), out);
    for (size_t i = 0; table_connector_at(i) != NULL; i++) {
        for (size_t k = 0; k < table_connector_at(i)->n_operators; k++) {
            write_operator(table_connector_at(i)->operators[k], out);
        }
    }
}

static void write_option(const struct conf_option *o, struct str *out)
{
    str_printf(out, "| `%s`%s%s | %s%s", o->name,
               (o->flags & CONF_FLAG_REQUIRED) != 0 ? " (required)" : "",
               (o->flags & CONF_FLAG_FORWARDED) != 0 ? " (f)" : "", conf_type_name(o->type),
               o->enum_values != NULL ? ": " : "");
    for (const char *c = o->enum_values; c != NULL && *c != '\0'; c++) {
        str_append_cstr(out, *c == '|' ? ", " : (const char[]){*c, '\0'});
    }
    str_printf(out, " | %s | %s |\n", o->default_text != NULL ? o->default_text : "",
               o->description != NULL ? o->description : "");
}

static void write_metadata(const struct table_connector *c, struct str *out)
{
    if (c->n_metadata > 0) {
        str_append_cstr(out, "\n| metadata key | type | | |\n|---|---|---|---|\n");
    }
    for (size_t i = 0; i < c->n_metadata; i++) {
        const struct table_metadata *m = &c->metadata[i];
        str_printf(out, "| `%s` | %s | %s%s | %s |\n", m->key, m->type,
                   (m->flags & TABLE_READABLE) != 0 ? "R" : "",
                   (m->flags & TABLE_WRITABLE) != 0 ? "W" : "", m->description);
    }
}

static void write_abilities(const char *what, uint32_t abilities, struct str *out)
{
    str_printf(out, "\n%s", what);
    for (uint32_t rest = abilities, first = 1; rest != 0; rest &= rest - 1, first = 0) {
        str_printf(out, "%s%s", first ? ", with " : ", ", table_ability_name(rest & -rest));
    }
    str_append_cstr(out, ".\n");
}

static void write_connector(const struct table_connector *c, struct str *out)
{
    str_printf(out, "\n## %s\n\n%c%s.\n", c->identifier, c->summary[0] - 'a' + 'A', c->summary + 1);
    if (c->source != NULL) {
        write_abilities("A source", c->source->abilities, out);
    }
    if (c->sink != NULL) {
        write_abilities("A sink", c->sink->abilities, out);
    }
    str_append_cstr(out, "\n| option | type | default | meaning |\n|---|---|---|---|\n");
    for (size_t g = 0; g < c->options->n_groups; g++) {
        for (size_t i = 0; i < c->options->groups[g]->n_options; i++) {
            write_option(&c->options->groups[g]->options[i], out);
        }
    }
    write_metadata(c, out);
}

static void write_connectors(struct str *out)
{
    str_append_cstr(
        out,
        "# Connectors\n\n"
        "<!-- Generated from the option tables of connectors/ by tools/check_reference --write; do "
        "not edit. -->\n\n"
        "What stands behind `'connector' = '...'` of a table, and the other keys of its `WITH`. "
        "`<...>` in a key stands\nfor the name of a column. (f): an option hint may change it.\n");
    connectors_register();
    for (size_t i = 0; table_connector_at(i) != NULL; i++) {
        write_connector(table_connector_at(i), out);
    }
}

static void write_route(const struct rest_route *r, struct str *out)
{
    const bool multipart = (r->route.flags & HTTP_UPLOAD) != 0;
    str_printf(out, "| %s | `%s` | %s | %s%s | %s |\n", http_method_name(r->route.method),
               r->route.path, r->summary, multipart ? "multipart: " : "", r->request, r->response);
}

static void write_rest(struct str *out)
{
    uint32_t n;
    const struct rest_family *const *families = rest_families(&n);
    str_append_cstr(
        out,
        "# REST\n\n"
        "<!-- Generated from the route tables of jobmanager/rest by tools/check_reference --write; "
        "do not edit. -->\n\n"
        "The routes of the job manager, port 8081 unless `rest.port` says otherwise. Each answers "
        "below `/v1`\ntoo. Requests and answers have the shapes of Flink's OpenAPI files under the "
        "names given here, with the\nfields of 1.20 and 2.x together; `-` is none, or `{}`. An "
        "error "
        "is `{\"errors\":[\"text\"]}`.\n");
    for (uint32_t i = 0; i < n; i++) {
        str_printf(out,
                   "\n## %s\n\n| method | path | what it does | request | answer |\n"
                   "|---|---|---|---|---|\n",
                   families[i]->title);
        for (uint32_t k = 0; k < families[i]->n_routes; k++) {
            write_route(&families[i]->routes[k], out);
        }
    }
}

/* ---- functions -------------------------------------------------------------------------------------- */

/* =1, [1] and their like, in words. */
static void write_result(const struct expr_function *f, struct str *out)
{
    static const char *const ordinals[] = {"first", "second", "third", "fourth"};
    struct slice text = slice_cstr(f->result != NULL ? f->result : "");
    const bool is_never_null = slice_ends_with(text, " NOT NULL");
    if (is_never_null) {
        text.len -= strlen(" NOT NULL");
    }
    if (f->result == NULL) {
        str_append_cstr(out, "a type that follows from the arguments");
    } else if (slice_eq_cstr(text, "=T")) {
        str_append_cstr(out, "the common type of the arguments");
    } else if (text.data[0] == '=' || text.data[0] == '[') {
        str_printf(out, "the type of the %s argument%s", ordinals[(text.data[1] - '1') & 3],
                   text.data[0] == '[' ? "'s items" : "");
    } else {
        str_printf(out, "`%.*s`", (int)text.len, text.data);
    }
    if (is_never_null) {
        str_append_cstr(out, ", never NULL");
    } else if ((f->flags & EXPR_FN_OWN_NULLS) == 0 && f->control == EXPR_CONTROL_NONE) {
        str_append_cstr(out, f->kind == EXPR_SCALAR ? ", NULL when an argument is" : "");
    }
    str_append_cstr(out, (f->flags & EXPR_FN_VOLATILE) != 0 ? "; another value each time"
                         : (f->flags & EXPR_FN_DYNAMIC) != 0
                             ? "; depends on the clock or the session"
                             : "");
}

static void write_function(const struct expr_function *f, struct str *out)
{
    struct slice rest = slice_cstr(f->signatures != NULL ? f->signatures : ""), form, line;
    str_printf(out, "\n### %s\n\n", f->name);
    if (f->aliases != NULL) {
        str_printf(out, "Also %s.\n\n", f->aliases);
    }
    str_printf(out, "%s\n\n", f->text);
    if (f->signatures != NULL) {
        str_append_cstr(out, "Arguments: ");
        for (bool is_first = true; slice_next(&rest, '|', &form); is_first = false) {
            form = slice_trim(form);
            str_printf(out, "%s`(%.*s)`", is_first ? "" : " or ", (int)form.len, form.data);
        }
        str_append_cstr(out, ".\n\n");
    }
    str_append_cstr(out, "Result: ");
    write_result(f, out);
    str_append_cstr(out, ".\n\n```sql\n");
    for (rest = slice_cstr(f->example); slice_next(&rest, '\n', &line);) {
        str_printf(out, "%.*s\n", (int)line.len, line.data);
    }
    str_append_cstr(out, "```\n");
}

static bool is_shown(const struct expr_function *f)
{
    return (f->flags & EXPR_FN_HIDDEN) == 0;
}

/* Categories in the order of their first function by name. */
static void write_functions(struct str *out)
{
    functions_register_builtin();
    const uint32_t n = expr_function_count();
    str_append_cstr(
        out,
        "# Functions\n\n"
        "<!-- Generated from the tables of engine/functions by tools/check_reference --write; do "
        "not edit. -->\n\n"
        "Built-in functions and operators. An example shows what it prints behind `--`, in the "
        "zone Europe/Berlin; each is a test.\n\n"
        "Arguments: `T` and `U` are types that arguments have in common; `COMPARABLE` and "
        "`ORDERED` likewise, of what `=` and `<` compare; `?` may be left out, `...` comes once "
        "or more; in quotes: a literal. Where a type stands, what casts to it by itself is "
        "cast.\n");
    for (uint32_t i = 0; i < n; i++) {
        const char *category = expr_function_at(i)->category;
        bool is_known = !is_shown(expr_function_at(i));
        for (uint32_t k = 0; k < i && !is_known; k++) {
            is_known = is_shown(expr_function_at(k)) &&
                       strcmp(expr_function_at(k)->category, category) == 0;
        }
        if (is_known) {
            continue;
        }
        str_printf(out, "\n## %c%s\n", (char)(category[0] - 'a' + 'A'), category + 1);
        for (uint32_t k = i; k < n; k++) {
            const struct expr_function *f = expr_function_at(k);
            if (is_shown(f) && strcmp(f->category, category) == 0) {
                write_function(f, out);
            }
        }
    }
}

static const struct {
    const char *name;
    void (*write)(struct str *out);
} pages[] = {
    {"configuration", write_configuration},
    {"connectors", write_connectors},
    {"errors", write_errors},
    {"failpoints", write_failpoints},
    {"formats", format_write_reference},
    {"functions", write_functions},
    {"metrics", metric_names_write_reference},
    {"operators", write_operators},
    {"rest", write_rest},
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
            puts(pages[i].name);
        }
        return 0;
    }
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(pages); i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            STR_AUTO page = {0};
            pages[i].write(&page);
            return fwrite(page.data, 1, page.len, stdout) == page.len && fflush(stdout) == 0 ? 0
                                                                                             : 1;
        }
    }
    fputs("usage: reference_pages --list | PAGE\n", stderr);
    return 2;
}
