/* The reference page of a schema: one Markdown table per group for what this build reads, then what is
 * accepted without effect.  Committed as docs/reference/configuration.md; tools/check_reference compares. */
#include "common/conf/conf.h"

static bool is_shown(const struct conf_option *option, bool effective)
{
    return (option->flags & CONF_FLAG_INTERNAL) == 0 &&
           ((option->flags & CONF_FLAG_EFFECTIVE) != 0) == effective;
}

static size_t count_shown(const struct conf_group *group, bool effective)
{
    size_t n = 0;
    for (size_t i = 0; i < group->n_options; i++) {
        n += is_shown(&group->options[i], effective);
    }
    return n;
}

/* Text of a table cell: bars end cells, angle brackets would be tags. */
static void append_cell(struct str *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            str_append_cstr(out, "\\|");
        } else if (*c == '<') {
            str_append_cstr(out, "&lt;");
        } else if (*c == '>') {
            str_append_cstr(out, "&gt;");
        } else {
            str_append_char(out, *c);
        }
    }
}

static void append_default(struct str *out, const struct conf_option *option)
{
    if (option->default_text == NULL) {
        str_append_cstr(out, "(none)");
    } else if (option->default_text[0] == '\0') {
        str_append_cstr(out, "(empty)");
    } else {
        append_cell(out, option->default_text);
    }
}

static void append_names(struct str *out, const char *intro, const char *names)
{
    struct slice rest = slice_cstr(names);
    struct slice name;
    for (int i = 0; slice_next(&rest, ',', &name); i++) {
        str_printf(out, "%s`%.*s`", i == 0 ? intro : ", ", (int)name.len, name.data);
    }
    if (names != NULL) {
        str_append_char(out, '.');
    }
}

static void append_type(struct str *out, const struct conf_option *option)
{
    str_append_cstr(out, conf_type_name(option->type));
    if (option->min != NULL && option->max != NULL) {
        str_printf(out, ", %s to %s", option->min, option->max);
    } else if (option->min != NULL) {
        str_printf(out, ", at least %s", option->min);
    } else if (option->max != NULL) {
        str_printf(out, ", at most %s", option->max);
    }
}

static void append_effective_row(struct str *out, const struct conf_option *option)
{
    str_printf(out, "| `%s` | ", option->name);
    append_default(out, option);
    str_append_cstr(out, " | ");
    append_type(out, option);
    str_append_cstr(out, " | ");
    append_cell(out, option->description);
    if (option->enum_values != NULL) {
        str_append_cstr(out, " One of ");
        struct slice rest = slice_cstr(option->enum_values);
        struct slice one;
        for (int i = 0; slice_next(&rest, '|', &one); i++) {
            str_printf(out, "%s`%.*s`", i > 0 ? ", " : "", (int)one.len, one.data);
        }
        str_append_char(out, '.');
    }
    append_names(out, " Old name: ", option->aliases);
    append_names(out, " Falls back to ", option->fallbacks);
    if ((option->flags & CONF_FLAG_OWN) != 0) {
        str_append_cstr(out, " Flinc only.");
    }
    str_append_cstr(out, " |\n");
}

static void append_accepted_row(struct str *out, const struct conf_option *option)
{
    str_printf(out, "| `%s` | ", option->name);
    append_default(out, option);
    str_printf(out, " | %s |\n", conf_type_name(option->type));
}

static const char intro[] =
    "# Configuration\n"
    "\n"
    "<!-- Generated from the option tables in common/conf by tools/check_reference --write; do not "
    "edit. -->\n"
    "\n"
    "Options are set in `conf/config.yaml` (nested or flat keys), in the legacy "
    "`conf/flink-conf.yaml`\n"
    "(which wins if it exists), or by `-Dkey=value`. Names, types and defaults are Flink's. A key "
    "that is\n"
    "not known draws a warning with the nearest known one; a value of the wrong type is an error "
    "that\n"
    "names file, line and key.\n"
    "\n"
    "Durations are written as `10 s`, `500 ms`, `1 min` or `PT10S`, memory sizes as `64 mb`, lists "
    "as\n"
    "`a;b` or YAML lists, maps as `k1:v1,k2:v2`, YAML maps, or keys below the option's name. "
    "Values of\n"
    "keys that contain words such as `password`, `secret` or `token` are shown as `" CONF_MASK
    "`.\n";

void conf_write_reference(const struct conf_schema *schema, struct str *out)
{
    str_append_cstr(out, intro);
    for (size_t g = 0; g < schema->n_groups; g++) {
        const struct conf_group *group = schema->groups[g];
        if (count_shown(group, true) == 0) {
            continue;
        }
        str_printf(out, "\n## %s\n\n| Key | Default | Type | Meaning |\n|---|---|---|---|\n",
                   group->title);
        for (size_t i = 0; i < group->n_options; i++) {
            if (is_shown(&group->options[i], true)) {
                append_effective_row(out, &group->options[i]);
            }
        }
    }
    str_append_cstr(out,
                    "\n# Accepted, without effect yet\n\nFlink's other keys are known, so that a "
                    "configuration made for Flink loads without\nwarnings; their values are "
                    "checked, and nothing reads them yet.\n");
    for (size_t g = 0; g < schema->n_groups; g++) {
        const struct conf_group *group = schema->groups[g];
        if (count_shown(group, false) == 0) {
            continue;
        }
        str_printf(out, "\n## %s\n\n| Key | Default | Type |\n|---|---|---|\n", group->title);
        for (size_t i = 0; i < group->n_options; i++) {
            if (is_shown(&group->options[i], false)) {
                append_accepted_row(out, &group->options[i]);
            }
        }
    }
}
