/* One bundle, one job; see application.h. */
#include "jobmanager/process/application.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/digest/sha256.h"
#include "common/fs/artifact/artifact.h"
#include "common/fs/fs.h"
#include "engine/graph/job_graph.h"
#include "jobmanager/rest/bundle_entry.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.application";

enum { SUBMIT_TIMEOUT_MS = 30 * 1000 };

/* ---- the bundle ----------------------------------------------------------------------------------- */

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A file of this name in usrlib, with or without .so. */
static bool find_by_file(const char *usrlib, const char *name, struct str *ret_path)
{
    static const char *const endings[] = {"", ".so"};
    for (size_t i = 0; i < ARRAY_LEN(endings) && strchr(name, '/') == NULL; i++) {
        str_clear(ret_path);
        str_printf(ret_path, "%s/%s%s", usrlib, name, endings[i]);
        if (is_file(str_cstr(ret_path))) {
            return true;
        }
    }
    str_clear(ret_path);
    return false;
}

static bool has_entry(const char *path, const char *name)
{
    char entry[BUNDLE_ENTRY_NAME_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool has =
        fd >= 0 && bundle_entry_read_file(fd, entry) && (name == NULL || strcmp(entry, name) == 0);
    if (fd >= 0) {
        (void)close(fd);
    }
    return has;
}

/* The only bundle in usrlib whose job has this name (NULL: any name). */
static int find_by_entry(const char *usrlib, const char *name, struct str *ret_path,
                         struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    struct error ignored = ERROR_INIT;
    STR_AUTO found = STR_INIT;
    size_t n = 0;
    (void)!fs_list_dir(usrlib, &list, &ignored);
    for (size_t i = 0; i < list.n; i++) {
        const struct fs_entry *e = &list.entries[i];
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/%s", usrlib, e->name);
        if (e->status.kind == FS_KIND_FILE && has_entry(str_cstr(&path), name)) {
            str_clear(ret_path);
            str_append_slice(ret_path, str_slice(&path));
            str_printf(&found, "%s%s", n++ > 0 ? ", " : "", e->name);
        }
    }
    fs_list_fini(&list);
    if (n == 1) {
        return 0;
    }
    str_clear(ret_path);
    if (n > 1) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "There is more than one bundle%s%s in %s (%s): name the file with "
                         "--job-classname.",
                         name != NULL ? " with the job " : "", name != NULL ? name : "", usrlib,
                         str_cstr(&found));
    }
    if (name != NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "There is no bundle '%s': neither a file of that path, nor one of that "
                         "name or with a job of that name in %s.%s",
                         name, usrlib,
                         strchr(name, '.') != NULL && !cstr_ends_with(name, ".so")
                             ? " Java classes cannot be run: jobs are bundles (.so), see "
                               "docs/guide/migration.md."
                             : "");
    }
    return error_set(err, ERR_NOT_FOUND,
                     "There is no job bundle in %s: put one there, or give its path with "
                     "--job-classname.",
                     usrlib);
}

int application_find_bundle(const struct process_args *args, const char *usrlib,
                            struct str *ret_path, struct error *err)
{
    const char *path = args->jars != NULL ? args->jars : args->job_classname;
    const char *name =
        args->jars == NULL || args->job_classname == NULL ? NULL : args->job_classname;
    str_clear(ret_path);
    path = path != NULL ? artifact_local_path(path) : NULL;
    if (path != NULL && (is_file(path) || args->jars != NULL)) {
        if (!is_file(path)) {
            return error_set(err, ERR_NOT_FOUND, "--jars %s: there is no such file.", path);
        }
        if (name != NULL && strchr(name, '/') == NULL && !has_entry(path, name) &&
            !cstr_ends_with(path, name)) {
            LOG_WARN(topic, "The job of %s is not called %s; it is run all the same.", path, name);
        }
        str_append_cstr(ret_path, path);
        return 0;
    }
    if (path != NULL && find_by_file(usrlib, path, ret_path)) {
        return 0;
    }
    return find_by_entry(usrlib, path, ret_path, err);
}

/* ---- building and submitting ------------------------------------------------------------------------ */

struct application {
    struct services *services; /* Borrows */
    const struct process_args *args;
    application_failed_fn on_failed;
    struct str bundle;
    const char *
        address; /* Borrows: of the arguments; the bundle is fetched from there; NULL: it is here */
    struct owned_dir files; /* what was fetched */
    struct flinc_id job_id;
    struct cancel_token *cancel;
    pthread_t thread;
    bool started;
};

static Flinc__KeyValue *copy_conf(const struct conf *conf, Flinc__KeyValue ***ret_list,
                                  size_t *ret_n)
{
    Flinc__KeyValue *all = MEM_NEW_ARRAY(Flinc__KeyValue, conf->entries.len + 1);
    *ret_list = MEM_NEW_ARRAY(Flinc__KeyValue *, conf->entries.len + 1);
    *ret_n = 0;
    MAP_FOREACH (&conf->entries, e) {
        const struct conf_entry *entry = e->value;
        Flinc__KeyValue *kv = &all[*ret_n];
        flinc__key_value__init(kv);
        kv->key = (char *)entry->key;
        kv->value = (char *)entry->value;
        (*ret_list)[(*ret_n)++] = kv;
    }
    return all;
}

static int build(struct application *a, Flinc__JobGraph **ret, struct error *err)
{
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    const char *slash = strrchr(str_cstr(&a->bundle), '/');
    rq.bundle_path = a->bundle.data;
    rq.bundle_name = slash != NULL ? (char *)slash + 1 : a->bundle.data;
    rq.args = a->args->job_args;
    rq.n_args = (size_t)a->args->n_job_args;
    rq.job_id = (ProtobufCBinaryData){sizeof(a->job_id.bytes), a->job_id.bytes};
    Flinc__KeyValue *entries = copy_conf(a->services->options.conf, &rq.config, &rq.n_config);
    int rc = job_builder_run(a->services->builder, &rq, a->cancel, &answer, err);
    mem_free(rq.config);
    mem_free(entries);
    TRY(rc);
    if (answer->output[0] != '\0') {
        LOG_INFO(topic, "The main of %s printed:\n%s", rq.bundle_name, answer->output);
    }
    rc = job_graph_decode(answer->graph.data, answer->graph.len, ret, err);
    flinc__build_answer__free_unpacked(answer, NULL);
    return rc;
}

static int submit(struct application *a, Flinc__JobGraph *take_graph, struct error *err)
{
    struct job_submission s = {.graph = take_graph};
    int rc = 0;
    s.blobs = MEM_NEW_ARRAY(struct blob_key, take_graph->n_libraries + 1);
    for (size_t i = 0; i < take_graph->n_libraries && rc == 0; i++) {
        const char *path = take_graph->libraries[i]->path;
        uint64_t size;
        rc = blob_store_put_file(a->services->blobs, path, &s.blobs[i], &size, err);
        s.n_blobs += rc == 0;
    }
    if (rc < 0) {
        job_submission_fini(&s, a->services->blobs);
        return rc;
    }
    return dispatcher_submit_sync(a->services->dispatcher, &s, SUBMIT_TIMEOUT_MS, err);
}

/* With high availability all job managers of a cluster mean the same job. */
static void fixed_id(const struct conf *conf, struct flinc_id *ret)
{
    const char *cluster = conf_string(conf, "high-availability.cluster-id");
    uint8_t hash[SHA256_BYTES] = {0};
    struct sha256 *h = sha256_new();
    if (h != NULL) {
        sha256_add(h, cluster, strlen(cluster));
        sha256_end(h, hash);
    }
    sha256_free(h);
    memcpy(ret->bytes, hash, sizeof(ret->bytes));
}

/* True: a former leader has submitted it; it runs here again, or has ended. */
static bool was_submitted(struct application *a)
{
    struct job_overview overview;
    char hex[ID_HEX_LEN + 1];
    struct error err = ERROR_INIT;
    struct services *s = a->services;
    if (s->recovery == NULL) {
        return false;
    }
    if (dispatcher_get_overview(s->dispatcher, &a->job_id, &overview)) {
        LOG_INFO(topic, "The application's job was recovered; its main is not run again.");
        return true;
    }
    id_format(&a->job_id, hex);
    enum job_status status;
    if (recovery_find_end(s->recovery, hex, &status, &err) != 1) {
        return false;
    }
    LOG_INFO(topic, "The application has ended under a former leader; its main is not run again.");
    s->options.on_job_ended(s->options.owner, &a->job_id, status);
    return true;
}

/* The bundle that is named by its address, and the files of user.artifacts.artifact-list. */
static int fetch(struct application *a, struct error *err)
{
    const struct conf *conf = a->services->options.conf;
    struct artifact_options o = {.conf = conf, .cancel = a->cancel};
    if (a->address == NULL && !conf_has(conf, "user.artifacts.artifact-list")) {
        return 0;
    }
    TRY(artifact_folder(conf, &a->files, &o.dir, err));
    TRY(artifact_fetch_list(&o, err));
    return a->address != NULL ? artifact_fetch(&o, a->address, ARTIFACT_BUNDLE, &a->bundle, err)
                              : 0;
}

static void *application_main(void *arg)
{
    struct application *a = arg;
    struct error err = ERROR_INIT;
    Flinc__JobGraph *graph = NULL;
    if (was_submitted(a)) {
        return NULL;
    }
    int rc = fetch(a, &err);
    if (rc == 0) {
        rc = build(a, &graph, &err);
    }
    if (rc == 0) {
        rc = submit(a, graph, &err);
    }
    if (rc < 0 && !cancel_token_is_cancelled(a->cancel)) {
        a->on_failed(a->services, &a->job_id,
                     fs_base_name(a->address != NULL ? a->address : str_cstr(&a->bundle)), &err);
    }
    return NULL;
}

static void find_usrlib(struct str *ret)
{
    const char *dir = getenv("FLINK_USR_LIB_DIR");
    if (dir != NULL && dir[0] != '\0') {
        str_append_cstr(ret, dir);
    } else {
        services_home_path("usrlib", ret);
    }
}

int application_start(struct services *services, const struct process_args *args,
                      application_failed_fn on_failed, struct application **ret, struct error *err)
{
    STR_AUTO usrlib = STR_INIT;
    STR_AUTO bundle = STR_INIT;
    const char *address = args->jars != NULL ? args->jars : args->job_classname;
    if (address == NULL || !artifact_is_remote(address)) {
        address = NULL;
        find_usrlib(&usrlib);
        TRY(application_find_bundle(args, str_cstr(&usrlib), &bundle, err));
    }
    LOG_INFO(topic, "The application is %s.", address != NULL ? address : str_cstr(&bundle));
    struct application *a = MEM_NEW(struct application);
    *a = (struct application){.services = services, .args = args, .on_failed = on_failed};
    a->address = address;
    a->files = (struct owned_dir)OWNED_DIR_INIT;
    a->bundle = bundle;
    bundle = (struct str)STR_INIT;
    if (args->job_id != NULL) {
        (void)id_parse(args->job_id, &a->job_id); /* checked with the arguments */
    } else if (ha_is_durable(services->ha)) {
        fixed_id(services->options.conf, &a->job_id);
    }
    a->cancel = cancel_token_new();
    int rc = thread_start(&a->thread, "flinc-app", application_main, a, err);
    if (rc < 0) {
        application_stop(a);
        return rc;
    }
    a->started = true;
    *ret = a;
    return 0;
}

struct application *application_stop(struct application *a)
{
    if (a == NULL) {
        return NULL;
    }
    cancel_token_cancel(a->cancel);
    if (a->started) {
        thread_join(a->thread);
    }
    cancel_token_unref(a->cancel);
    str_fini(&a->bundle);
    owned_dir_remove(&a->files);
    mem_free(a);
    return NULL;
}
