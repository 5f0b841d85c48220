/* reference_pages: writes the generated pages of docs/reference from the const tables that the program
 * itself uses (options, error codes, metrics, operators), so that they cannot tell otherwise.
 *
 *     reference_pages --list     names of the pages
 *     reference_pages PAGE       the page's Markdown
 *
 * tools/check_reference compares them with what is in the tree, and writes them with --write.
 * Thread: main. */
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/conf/conf.h"
#include "common/metrics/metric_names.h"
#include "engine/operators/registry.h"
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
        const struct operator_desc *o = operators[i];
        str_printf(out, "| `%s` | %u | %u | %s |\n", o->kind, o->version, o->n_inputs, o->summary);
    }
}

static const struct {
    const char *name;
    void (*write)(struct str *out);
} pages[] = {
    {"configuration", write_configuration},
    {"errors", write_errors},
    {"metrics", metric_names_write_reference},
    {"operators", write_operators},
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
