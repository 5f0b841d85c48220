/* Loads job bundles and runs their main; see bundle.h. */
#include "sdk/bundle.h"
#include "sdk/environment.h"

static const char entry_symbol[] = "flinc_job_entry";

static int check_entry(const struct bundle *b, struct error *err)
{
    const flinc_job *job = b->job;

    if (job->abi_version != FLINC_ABI_VERSION || job->struct_size < sizeof(flinc_job)) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s was built for ABI version %u of Flinc (headers %s), this is version "
                         "%d: build it again with this Flinc's headers",
                         b->object.path, job->abi_version,
                         job->struct_size >= sizeof(flinc_job) ? job->version : "unknown",
                         FLINC_ABI_VERSION);
    }
    if (job->main == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is a bundle whose main is NULL",
                         b->object.path);
    }
    return 0;
}

int bundle_open(struct bundle *b, const char *path, struct error *err)
{
    void *entry = NULL;

    *b = (struct bundle){.object = SHARED_OBJECT_INIT};
    TRY(shared_object_open(&b->object, path, err));
    int rc = shared_object_symbol(&b->object, entry_symbol, "job bundle", &entry, err);
    if (rc < 0) {
        rc = error_set(err, rc,
                       "%s is no job bundle: it does not export %s; end the job's source with "
                       "FLINC_JOB(main)",
                       path, entry_symbol);
    } else {
        b->job = entry;
        rc = check_entry(b, err);
    }
    if (rc < 0) {
        bundle_close(b);
    }
    return rc;
}

int bundle_run_main(struct bundle *b, flinc_env *env, int argc, char **argv, struct error *err)
{
    char **args = MEM_NEW_ARRAY(char *, (size_t)argc + 2);

    args[0] = b->object.path;
    for (int i = 0; i < argc; i++) {
        args[i + 1] = argv[i];
    }
    int rc = b->job->main(env, argc + 1, args);
    mem_free(args);
    if (env_get_error(env, err) < 0) {
        return env_get_error(env, NULL);
    }
    if (env_execute_calls(env) == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the main '%s' of %s returned %d without executing a job: it must call "
                         "flinc_env_execute()",
                         b->job->name, b->object.path, rc);
    }
    if (rc != 0) {
        return error_set(err, ERR_USER_CODE, "the main '%s' of %s returned %d", b->job->name,
                         b->object.path, rc);
    }
    return 0;
}

void bundle_close(struct bundle *b)
{
    shared_object_close(&b->object);
    b->job = NULL;
}
