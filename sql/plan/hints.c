/* Hints behind SELECT: how joins are to be done, and what they are about.
 *
 * BROADCAST, SHUFFLE_HASH, SHUFFLE_MERGE and NEST_LOOP name tables, views or aliases of their own FROM; the join whose side one of them is
 * takes the hint.  LOOKUP and STATE_TTL are looked over for their names.
 * Flink: QueryHintsResolver, JoinStrategy. */
#include "sql/plan/convert.h"

static const struct {
    const char *name;
    enum rel_join_hint hint;
} strategies[] = {
    {"BROADCAST", REL_JOIN_BROADCAST},
    {"SHUFFLE_HASH", REL_JOIN_SHUFFLE_HASH},
    {"SHUFFLE_MERGE", REL_JOIN_SHUFFLE_MERGE},
    {"NEST_LOOP", REL_JOIN_NEST_LOOP},
};

static enum rel_join_hint strategy_of(const struct sql_hint *h)
{
    for (size_t i = 0; i < ARRAY_LEN(strategies); i++) {
        if (slice_eq_cstr(h->name.text, strategies[i].name)) {
            return strategies[i].hint;
        }
    }
    return REL_JOIN_NO_HINT;
}

/* An alias, or the last part of a table's name; without data: it has none. */
static struct slice relation_name(const struct sql_relation *r)
{
    if (r->alias.name.text.data != NULL) {
        return r->alias.name.text;
    }
    return r->kind == SQL_RELATION_TABLE && r->name.n > 0 ? r->name.parts[r->name.n - 1].text
                                                          : slice_make(NULL, 0);
}

static bool is_named(const struct sql_relation *r, struct slice name)
{
    const struct slice own = relation_name(r);
    return own.data != NULL && slice_eq(own, name);
}

static bool has_relation(const struct sql_relation *r, struct slice name)
{
    while (r != NULL && r->kind == SQL_RELATION_JOIN) {
        if (has_relation(r->join->right, name)) {
            return true;
        }
        r = r->join->left;
    }
    return r != NULL && is_named(r, name);
}

/* ---- names that nobody has ---------------------------------------------------------------------------- */

static void note(struct str *out, struct slice name)
{
    str_append_cstr(out, out->len > 0 ? ", " : "");
    str_append_slice(out, name);
}

static void unmatched(const struct sql_select *s, const struct sql_hint *h, struct str *out)
{
    const bool is_ttl = slice_eq_cstr(h->name.text, "STATE_TTL");
    const bool is_lookup = slice_eq_cstr(h->name.text, "LOOKUP");
    for (uint32_t i = 0; strategy_of(h) != REL_JOIN_NO_HINT && i < h->n_values; i++) {
        if (!has_relation(s->from, h->values[i])) {
            note(out, h->values[i]);
        }
    }
    for (uint32_t i = 0; i < h->properties.n; i++) {
        const struct sql_property *p = &h->properties.items[i];
        const bool is_table = is_lookup && slice_eq_cstr(p->key, "table");
        if ((is_ttl || is_table) && !has_relation(s->from, is_ttl ? p->key : p->value)) {
            note(out, is_ttl ? p->key : p->value);
        }
    }
}

int convert_hints(struct convert *c, const struct sql_select *s, struct error *err)
{
    STR_AUTO all = STR_INIT;
    for (uint32_t i = 0; i < s->hints.n; i++) {
        const struct sql_hint *h = &s->hints.items[i];
        STR_AUTO names = STR_INIT;
        if (strategy_of(h) != REL_JOIN_NO_HINT && h->n_values == 0) {
            return convert_at(
                c, h->name.span,
                error_set(err, ERR_INVALID_ARGUMENT,
                          "Invalid hint: %.*s, expecting at least one table or view specified in "
                          "hint %.*s.",
                          (int)h->name.text.len, h->name.text.data, (int)h->name.text.len,
                          h->name.text.data));
        }
        unmatched(s, h, &names);
        if (names.len > 0) {
            str_printf(&all, "\n`%s` in `%.*s`", str_cstr(&names), (int)h->name.text.len,
                       h->name.text.data);
        }
    }
    if (all.len == 0) {
        return 0;
    }
    return convert_at(c, s->hints.items[0].name.span,
                      error_set(err, ERR_INVALID_ARGUMENT,
                                "The options of following hints cannot match the name of input "
                                "tables or views: %s",
                                str_cstr(&all)));
}

/* ---- joins -------------------------------------------------------------------------------------------- */

enum rel_join_hint convert_join_hint(const struct convert *c, const struct sql_join *j,
                                     bool *ret_left)
{
    for (uint32_t i = 0; c->hints != NULL && i < c->hints->n; i++) {
        const struct sql_hint *h = &c->hints->items[i];
        const enum rel_join_hint hint = strategy_of(h);
        for (uint32_t k = 0; hint != REL_JOIN_NO_HINT && k < h->n_values; k++) {
            *ret_left = is_named(j->left, h->values[k]);
            if (*ret_left || is_named(j->right, h->values[k])) {
                return hint;
            }
        }
    }
    return REL_JOIN_NO_HINT;
}
