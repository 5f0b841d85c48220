/* flinc/flinc.h: everything that a job needs.
 *
 *   #include <flinc/flinc.h>
 *
 *   static int wordcount(flinc_env *env, int argc, char **argv) { ...; return flinc_env_execute(env, "x"); }
 *   FLINC_JOB(wordcount)
 *
 * Built as a shared object, that is a job bundle: `flink run -t local wordcount.so`. */
#ifndef FLINC_FLINC_H
#define FLINC_FLINC_H

#include "flinc/broadcast.h"
#include "flinc/env.h"
#include "flinc/files.h"
#include "flinc/row.h"
#include "flinc/state.h"
#include "flinc/time.h"
#include "flinc/window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a bundle exports under the name flinc_job_entry. */
typedef struct flinc_job {
    uint32_t struct_size;
    uint32_t abi_version; /* FLINC_ABI_VERSION of the headers that it was built with */
    const char *name;
    int (*main)(flinc_env *env, int argc, char **argv); /* argv[0] is the bundle */
    const char *version;                                /* of the headers, for people */
} flinc_job;

#define FLINC_VERSION_TEXT "0.1.0"

#ifdef __cplusplus
#define FLINC_C_BEGIN_ extern "C" {
#define FLINC_C_END_ }
#else
#define FLINC_C_BEGIN_
#define FLINC_C_END_
#endif

/* Makes a shared object a bundle whose job is `fn`: int fn(flinc_env *, int argc, char **argv). */
#define FLINC_JOB(fn)                                                                            \
    FLINC_C_BEGIN_                                                                               \
    FLINC_API extern const flinc_job flinc_job_entry;                                            \
    FLINC_API const flinc_job flinc_job_entry = {(uint32_t)sizeof(flinc_job), FLINC_ABI_VERSION, \
                                                 #fn, (fn), FLINC_VERSION_TEXT};                 \
    FLINC_C_END_

#ifdef __cplusplus
}
#endif

#endif
