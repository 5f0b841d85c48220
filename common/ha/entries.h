/* The contents of the store in memory: name -> struct str *.  Thread: one owner. */
#ifndef FLINC_COMMON_HA_ENTRIES_H
#define FLINC_COMMON_HA_ENTRIES_H

#include "common/base/map.h"
#include "common/ha/driver.h"

void entries_init(struct map *entries);
/* Whether the write may happen: ERR_ALREADY_EXISTS, ERR_NOT_FOUND, ERR_STATE (names below it). */
int entries_check(const struct map *entries, enum ha_write what, const char *name,
                  struct error *err) MUST_CHECK;
void entries_apply(struct map *entries, enum ha_write what, const char *name, struct slice value);
int entries_get(const struct map *entries, const char *name, struct str *ret_value,
                struct error *err) MUST_CHECK;
/* Components right below a name, each once. */
void entries_list(const struct map *entries, const char *name, struct vec *ret_names);

#endif
