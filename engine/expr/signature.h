/* One alternative of a function's signatures (function.h), taken apart.  Inside the room only.  Thread: any. */
#ifndef FLINC_ENGINE_EXPR_SIGNATURE_H
#define FLINC_ENGINE_EXPR_SIGNATURE_H

#include "engine/expr/function.h"

enum { SIGNATURE_ARGS_MAX = 10 };

/* Arguments of one group are brought to one type. */
enum signature_group {
    SIGNATURE_NO_GROUP,
    SIGNATURE_T,
    SIGNATURE_U,
    SIGNATURE_COMPARABLE,
    SIGNATURE_ORDERED,
    SIGNATURE_GROUP_COUNT
};

struct signature_argument {
    bool (*matches)(const struct data_type *t); /* of a family; NULL: a type */
    struct data_type *type;                     /* Owns: what the argument is cast to */
    enum signature_group group;
    bool is_literal;
    bool is_array;      /* the group's type is that of its elements */
    struct slice shown; /* Borrows: for messages */
};

struct signature {
    struct signature_argument args[SIGNATURE_ARGS_MAX];
    uint32_t n, least;
    bool is_varying; /* the last may come again and again */
};

/* Takes the next alternative off `rest`; false when there is none. */
bool signature_next(struct slice *rest, struct signature *ret);
void signature_fini(struct signature *s);
/* What is said of argument i; NULL when there are not so many. */
const struct signature_argument *signature_at(const struct signature *s, uint32_t i);

#endif
