/* Columns and fields below them that expressions read: r.x.y of a ROW column r.  Inside the room only. */
#ifndef FLINC_SQL_PLAN_PATHS_H
#define FLINC_SQL_PLAN_PATHS_H

#include "sql/plan/rules.h"

/* What is read, each once and the widest of each: where r is read, r.x is none of its own. */
struct paths {
    struct sql_plan *p;
    struct vec items; /* const struct expr *: INPUT, or FIELD over one */
    struct map seen;
};

void paths_init(struct paths *paths, struct sql_plan *p);
void paths_fini(struct paths *paths);
void paths_add(struct paths *paths, const struct expr *path);
/* All that the expression reads. */
void paths_gather(struct paths *paths, const struct expr *e);
void paths_gather_all(struct paths *paths, struct rel_exprs e);
/* Is a field among them, not columns alone? */
bool paths_have_field(const struct paths *paths);
/* The expressions over an input that has the paths as its columns, in order. */
int paths_map(struct paths *paths, const struct expr *e, const struct expr **ret,
              struct error *err) MUST_CHECK;
int paths_map_all(struct paths *paths, struct rel_exprs in, struct rel_exprs *ret,
                  struct error *err) MUST_CHECK;

#endif
