/* Functions of users: shared objects with descriptors of flinc/udf.h become rows of functions (engine/expr/function.h).
 *
 * A library goes by a name of one job graph, "<hash of its bytes>-udf.so", in all processes; user_library_add() says where its file
 * lies here.  A function is found by library, symbol and the name that SQL has for it, and lives as long as the process.  Its
 * wire name, "user:<library>:<symbol>:<name>", says all three, so that workers find it again.
 *
 * Errors: what is wrong with a file or a symbol, each its own sentence; those of callbacks name function and symbol.
 * Flink: FunctionDefinitionUtil, UserDefinedFunctionHelper.  Thread: any (one lock, never held over a callback). */
#ifndef FLINC_ENGINE_USERFUNCTIONS_USERFUNCTIONS_H
#define FLINC_ENGINE_USERFUNCTIONS_USERFUNCTIONS_H

#include "engine/expr/function.h"
#include "flinc/udf.h"

enum {
    USER_LIBRARIES_MAX = 1024, /* of a process */
    USER_FUNCTIONS_MAX = 16384,
    USER_NAME_MAX = 255, /* bytes of a library's name, of a symbol, of a name in SQL */
};

/* Makes wire names known to engine/expr; the same again is fine. */
void user_functions_register(void);

/* The library of this name lies in the file at `path`; the same again is fine.  Nothing is read before a function is looked for.
 * ERR_TOO_LARGE, ERR_INVALID_ARGUMENT: the name. */
int user_library_add(const char *name, const char *path, struct error *err) MUST_CHECK;

/* The function, checked.  ERR_NOT_FOUND: no such library or symbol; ERR_INVALID_ARGUMENT: the file is no shared object, the
 * symbol no function of flinc/udf.h, its version another one, its declaration wrong. */
int user_function_find(const char *library, const char *symbol, const char *name,
                       const struct expr_function **ret, struct error *err) MUST_CHECK;

/* ---- table functions -------------------------------------------------------------------------------- */

bool user_function_is_own(const struct expr_function *f); /* one of this room */
/* A call's instance and what it needs of batches; for the operator that runs it. */
struct user_call;
/* `args`: resolved, for their types and constants. */
int user_call_open(const struct expr_function *f, const struct expr *const *args, uint32_t n_args,
                   const struct data_type *result, struct user_call **ret,
                   struct error *err) MUST_CHECK;
struct user_call *user_call_close(struct user_call *c);
/* One batch: rows[i] (NULL: i) of the columns.  Those with NULLs are left out unless the function wants them. */
struct user_rows {
    const struct column *args;
    const uint16_t *rows;
    uint32_t n;
};
int user_call_table(struct user_call *c, const struct user_rows *in, flinc_udf_rows *to,
                    struct error *err) MUST_CHECK;

#endif
