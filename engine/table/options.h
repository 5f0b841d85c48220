/* Options of a table: WITH ('connector' = 'x', ...) checked against the connector's own option table, typed.
 *
 * One generic function for all connectors: unknown keys, missing required ones, types, ranges and values of enums
 * are found here, with Flink's messages; what options mean for each other is the connector's validate().
 * Thread: any; a struct table_options has one owner while it is made, then any number of readers.
 * Flink: FactoryUtil.TableFactoryHelper, validateUnconsumedKeys, validateFactoryOptions. */
#ifndef FLINC_ENGINE_TABLE_OPTIONS_H
#define FLINC_ENGINE_TABLE_OPTIONS_H

#include "common/base/vec.h"
#include "common/conf/conf.h"

struct table;
struct table_connector;

/* Rows that every connector's schema includes: connector, property-version. */
extern const struct conf_group table_options_common;
/* Rows for sources that emit watermarks by themselves: scan.watermark.*. */
extern const struct conf_group table_options_watermark;

/* Options under one prefix: those of a format. */
struct table_options_part {
    char prefix[64];
    struct conf conf; /* keys without the prefix */
};

struct table_options {
    const struct table_connector *connector;
    struct conf conf; /* Owns: typed getters as of any configuration, conf_long(&o->conf, "...") */
    struct vec parts; /* Owns: struct table_options_part */
};

/* Finds the connector and checks all keys and values of `given` (which must not be "validated" before: it is as
 * written in WITH).  `table` is the identifier for messages.  ERR_INVALID_CONFIG, ERR_NOT_FOUND (no such
 * connector).  *ret belongs to the caller (table_options_fini). */
int table_options_read(const char *table, const struct text_map *given, struct table_options *ret,
                       struct error *err) MUST_CHECK;
void table_options_fini(struct table_options *o);
/* For CREATE TABLE and ALTER TABLE: only checks. */
int table_options_check(const char *table, const struct text_map *given,
                        struct error *err) MUST_CHECK;
/* All of it, with the connector's validate() when the schema is known. */
int table_validate(const struct table *t, struct error *err) MUST_CHECK;
/* The options under a prefix; NULL: there are none. */
const struct conf *table_options_part(const struct table_options *o, const char *prefix);
/* May a hint or a compiled plan change this key?  (CONF_FLAG_FORWARDED.) */
bool table_option_is_forwarded(const struct table_options *o, const char *key);
/* For errors of validate(): "Invalid value for option 'k' of table 't': <why>" with ERR_INVALID_CONFIG. */
int table_option_invalid(const struct table *t, const char *key, struct error *err, const char *fmt,
                         ...) PRINTF(4, 5) COLD;

#endif
