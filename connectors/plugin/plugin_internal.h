/* What the files of this room share; see plugin.h. */
#ifndef FLINC_CONNECTORS_PLUGIN_PLUGIN_INTERNAL_H
#define FLINC_CONNECTORS_PLUGIN_PLUGIN_INTERNAL_H

#include "connectors/plugin/plugin.h"
#include "proto/connectors.pb-c.h"

/* A connector of a plug-in.  Lives for ever. */
struct plugin_connector {
    struct table_connector base;
    flinc_connector table; /* copies; zero where an older plug-in has nothing */
    flinc_connector_source source;
    flinc_connector_sink sink;
    struct table_source base_source;
    struct table_sink base_sink;
    struct conf_schema schema;
    struct conf_group group;
    const struct conf_group *groups[2];
    char *path; /* Owns; of the shared object */
};
/* That of a connector of this room; NULL: of another. */
struct plugin_connector *plugin_connector_of(const struct table_connector *c);

/* The result of a plug-in's function as ours: what it did, to which table. */
int plugin_connector_result(const struct plugin_connector *c, int code,
                            const flinc_connector_error *why, const char *doing, const char *table,
                            struct error *err) MUST_CHECK;
int plugin_connector_misbehaves(const struct plugin_connector *c, const char *how,
                                struct error *err) COLD;

/* ---- face.c ---------------------------------------------------------------------------------------- */

/* A table as plug-ins see it.  Its texts are borrowed from what it was made of. */
struct plugin_table {
    flinc_connector_table face; /* first member */
    const Flinc__PluginTableConfig *config;
};
/* The configuration of an operator for the table with this schema, in the arena. */
void plugin_table_config(const struct table *t, const struct schema *schema, struct arena *arena,
                         Flinc__PluginTableConfig *ret);
void plugin_table_show(struct plugin_table *ret, const Flinc__PluginTableConfig *config,
                       uint32_t subtask, uint32_t parallelism);
/* The operator's own: connector and table of its configuration, which it takes over.  ERR_NOT_FOUND: this process has no
 * such connector. */
struct plugin_operator {
    Flinc__PluginTableConfig *config; /* Owns */
    struct plugin_connector *connector;
    struct plugin_table table;
};
int plugin_operator_open(struct plugin_operator *p, const struct op_context *ctx,
                         struct error *err) MUST_CHECK;
void plugin_operator_close(struct plugin_operator *p);

/* Runs of bytes that a plug-in gives: a vector of struct str. */
struct plugin_bytes {
    flinc_connector_bytes face; /* first member */
    struct vec items;           /* Owns: struct str */
    uint32_t max;               /* of them */
    bool too_many, too_large;
};
void plugin_bytes_init(struct plugin_bytes *b, uint32_t max);
void plugin_bytes_fini(struct plugin_bytes *b);
int plugin_bytes_check(const struct plugin_bytes *b, const struct plugin_connector *c,
                       struct error *err) MUST_CHECK;

#endif
