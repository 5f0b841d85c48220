/* What may stand between quotes: keys and values behind SET and RESET, options of tables within WITH (...) and its like, by the
 * connector that the statement names.  Only what was typed before the cursor counts. */
#include "client/sqlclient/complete.h"
#include "engine/table/options.h"
#include "engine/table/table.h"
#include "formats/format.h"
#include <ctype.h>
#include <strings.h>

enum { WORD_MAX = 15, DEPTH_MAX = 32 };

/* What the text before the cursor says. */
struct scan {
    char quote;  /* that is open; 0: none */
    size_t open; /* behind it */
    char word[WORD_MAX +
              1]; /* the last one outside of quotes, in capitals; "" behind another sign */
    char first[WORD_MAX + 1];
    uint32_t n_words;
    bool is_options[DEPTH_MAX]; /* by depth of parentheses: do they hold options? */
    uint32_t depth;
    struct slice key;      /* in quotes, with '=' behind */
    bool has_equals;       /* '=' came since the last quoted text */
    struct slice last;     /* quoted text */
    struct text_map given; /* of these parentheses */
};

static void end_word(struct scan *s, struct slice word)
{
    size_t n = MIN(word.len, (size_t)WORD_MAX);
    for (size_t i = 0; i < n; i++) {
        s->word[i] = (char)toupper((unsigned char)word.data[i]);
    }
    s->word[n] = '\0';
    if (s->n_words++ == 0) {
        memcpy(s->first, s->word, sizeof(s->first));
    }
}

static void on_quoted(struct scan *s, struct slice text)
{
    if (s->has_equals && s->key.data != NULL) {
        text_map_put(&s->given, s->key, text);
        s->key = (struct slice){NULL, 0};
    }
    s->last = text;
    s->has_equals = false;
}

static void on_sign(struct scan *s, char c)
{
    if (c == '(') {
        s->depth++;
        if (s->depth < DEPTH_MAX) {
            s->is_options[s->depth] = strcmp(s->word, "WITH") == 0 || strcmp(s->word, "SET") == 0 ||
                                      strcmp(s->word, "RESET") == 0 ||
                                      strcmp(s->word, "OPTIONS") == 0;
        }
        text_map_fini(&s->given);
        s->given = (struct text_map)TEXT_MAP_INIT;
    } else if (c == ')') {
        s->depth -= s->depth > 0 ? 1 : 0;
    } else if (c == '=') {
        s->key = s->last;
        s->has_equals = true;
    } else if (c == ',' || c == ';') {
        s->key = (struct slice){NULL, 0};
        s->has_equals = false;
    }
    s->n_words = c == ';' ? 0 : s->n_words;
    s->word[0] = '\0';
}

/* Comments are read as words: nothing is offered in them that would be wrong. */
static void scan_text(struct slice text, struct scan *s)
{
    for (size_t i = 0; i < text.len;) {
        char c = text.data[i];
        size_t start = i;
        if (c == '\'' || c == '`') {
            const char *end = memchr(text.data + i + 1, c, text.len - i - 1);
            if (end == NULL) {
                s->quote = c;
                s->open = i + 1;
                return;
            }
            i = (size_t)(end - text.data) + 1;
            on_quoted(s, slice_make(text.data + start + 1, i - start - 2));
        } else if (isalnum((unsigned char)c) || c == '_') {
            while (i < text.len && (isalnum((unsigned char)text.data[i]) || text.data[i] == '_')) {
                i++;
            }
            end_word(s, slice_make(text.data + start, i - start));
        } else {
            if (!isspace((unsigned char)c)) {
                on_sign(s, c);
            }
            i++;
        }
    }
}

/* ---- offers ------------------------------------------------------------------------------------------------- */

static void offer_schema(struct completion *c, const char *prefix, const struct conf_schema *schema,
                         const struct text_map *given)
{
    for (size_t g = 0; g < schema->n_groups; g++) {
        const struct conf_group *group = schema->groups[g];
        for (size_t i = 0; i < group->n_options; i++) {
            const struct conf_option *o = &group->options[i];
            STR_AUTO key = STR_INIT;
            str_printf(&key, "%s%s", prefix, o->name);
            if ((o->flags & CONF_FLAG_INTERNAL) == 0 && strpbrk(o->name, "<#") == NULL &&
                (given == NULL || text_map_find(given, str_cstr(&key)) == NULL)) {
                completion_offer(c, str_cstr(&key));
            }
        }
    }
}

static void offer_values(struct completion *c, const struct conf_option *o)
{
    if (o == NULL || (o->type != CONF_TYPE_ENUM && o->type != CONF_TYPE_BOOL)) {
        return;
    }
    const char *at = o->type == CONF_TYPE_BOOL ? "true|false" : o->enum_values;
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, "|");
        char *value = mem_strndup(at, n);
        completion_offer(c, value);
        mem_free(value);
        at += n + (at[n] == '|' ? 1 : 0);
    }
}

static void offer_formats(struct completion *c)
{
    STR_AUTO names = STR_INIT;
    format_names(&names);
    const char *at = str_cstr(&names);
    while (*at != '\0') {
        size_t n = strcspn(at, ", ");
        char *name = mem_strndup(at, n);
        completion_offer(c, name);
        mem_free(name);
        at += n;
        at += strspn(at, ", ");
    }
}

static void offer_connectors(struct completion *c)
{
    const struct table_connector *connector;
    for (size_t i = 0; (connector = table_connector_at(i)) != NULL; i++) {
        completion_offer(c, connector->identifier);
    }
}

static void offer_table_keys(struct completion *c, const struct text_map *given)
{
    const char *name = text_map_find(given, "connector");
    const struct table_connector *connector = name != NULL ? table_connector_find(name) : NULL;
    struct vec parts;
    if (connector == NULL) {
        completion_offer(c, "connector");
        return;
    }
    offer_schema(c, "", connector->options, given);
    vec_init(&parts, sizeof(struct table_option_part));
    if (connector->option_parts != NULL && connector->option_parts(given, &parts, NULL) == 0) {
        for (size_t i = 0; i < parts.len; i++) {
            const struct table_option_part *p = VEC_AT(&parts, struct table_option_part, i);
            offer_schema(c, p->prefix, p->schema, given);
        }
    }
    vec_fini(&parts);
}

static void offer_table_values(struct completion *c, const char *key, const struct text_map *given)
{
    const char *name = text_map_find(given, "connector");
    const struct table_connector *connector = name != NULL ? table_connector_find(name) : NULL;
    if (strcmp(key, "connector") == 0) {
        offer_connectors(c);
    } else if (strcmp(key, "format") == 0 || cstr_ends_with(key, ".format")) {
        offer_formats(c);
    } else if (connector != NULL) {
        offer_values(c, conf_schema_find(connector->options, key));
    }
}

static void offer(struct completion *c, struct scan *s)
{
    bool is_set = strcmp(s->first, "SET") == 0, is_reset = strcmp(s->first, "RESET") == 0;
    bool is_value = s->has_equals && s->key.data != NULL;
    char *key = is_value ? mem_strndup(s->key.data, s->key.len) : NULL;
    c->tail = is_value || is_reset ? "'" : "' = '";
    if (s->depth > 0 && s->depth < DEPTH_MAX && s->is_options[s->depth]) {
        if (is_value) {
            offer_table_values(c, key, &s->given);
        } else {
            offer_table_keys(c, &s->given);
        }
    } else if (s->depth == 0 && (is_set || is_reset)) {
        if (is_value) {
            offer_values(c, conf_schema_find(conf_schema_cluster(), key));
        } else {
            offer_schema(c, "", conf_schema_cluster(), NULL);
        }
    }
    mem_free(key);
}

bool complete_quoted(struct slice before, struct completion *c)
{
    struct scan s = {.given = TEXT_MAP_INIT};
    scan_text(before, &s);
    bool is_string = s.quote == '\'';
    if (is_string) {
        c->prefix = before.data + s.open;
        c->len = before.len - s.open;
        offer(c, &s);
    }
    text_map_fini(&s.given);
    return is_string;
}
