/* Files of the plug-in folder; see plugin_folder.h. */
#include "common/plugin/plugin_folder.h"

#include "common/base/log.h"
#include "common/base/vec.h"
#include "common/plugin/shared_object.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>

static const char topic[] = "flinc.plugins";

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in a folder, sorted; those that end so. */
static void list(const char *dir, const char *ending, struct vec *ret_names)
{
    DIR *d = opendir(dir);
    for (struct dirent *e;
         d != NULL && (e = readdir(d)) != NULL && ret_names->len < PLUGIN_FOLDER_FILES_MAX;) {
        if (e->d_name[0] != '.' && cstr_ends_with(e->d_name, ending)) {
            vec_push_ptr(ret_names, mem_strdup(e->d_name));
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    if (ret_names->len > 1) {
        qsort(ret_names->data, ret_names->len, sizeof(char *), compare_names);
    }
}

static void names_fini(struct vec *names)
{
    for (size_t i = 0; i < names->len; i++) {
        mem_free(vec_ptr(names, i));
    }
    vec_fini(names);
}

void plugin_folder_each(const char *dir, void (*fn)(void *arg, const char *path), void *arg)
{
    struct vec folders = VEC_INIT(char *);
    list(dir, "", &folders);
    for (size_t i = 0; i < folders.len; i++) {
        STR_AUTO folder = STR_INIT;
        struct vec files = VEC_INIT(char *);
        str_printf(&folder, "%s/%s", dir, (const char *)vec_ptr(&folders, i));
        list(str_cstr(&folder), ".so", &files);
        for (size_t k = 0; k < files.len; k++) {
            STR_AUTO path = STR_INIT;
            str_printf(&path, "%s/%s", str_cstr(&folder), (const char *)vec_ptr(&files, k));
            fn(arg, str_cstr(&path));
        }
        names_fini(&files);
    }
    names_fini(&folders);
}

/* Beside the folder of the program, or of libflinc.so, that this code is in: libexec/, lib/ or bin/. */
void plugin_folder_find(struct str *ret_dir)
{
    Dl_info info;
    const char *set = getenv("FLINK_PLUGINS_DIR");
    char *real = NULL;
    if (set != NULL && set[0] != '\0') {
        str_append_cstr(ret_dir, set);
        return;
    }
    if (dladdr((const void *)plugin_folder_find, &info) != 0 && info.dli_fname != NULL) {
        real =
            realpath(strchr(info.dli_fname, '/') != NULL ? info.dli_fname : "/proc/self/exe", NULL);
    }
    for (int up = 0; real != NULL && up < 2; up++) {
        char *slash = strrchr(real, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    str_printf(ret_dir, "%s/plugins", real != NULL ? real : "");
    free(real);
}

/* ---- those of one kind ----------------------------------------------------------------------------- */

/* 1: it is of the kind and registered; 0: it is something else. */
static int load_file(const struct plugin_folder_kind *k, const char *path, struct error *err)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error none = ERROR_INIT;
    void *entry;
    TRY(shared_object_open(&so, path, err));
    if (shared_object_symbol(&so, k->symbol, k->what, &entry, &none) < 0) {
        shared_object_close(&so); /* others say whether it is anything */
        return 0;
    }
    int rc = k->add(entry, path, err);
    if (rc < 0) {
        shared_object_close(&so);
        return rc;
    }
    mem_free(STEAL(so.path)); /* its code stays */
    return 1;
}

static void load_or_tell(void *arg, const char *path)
{
    const struct plugin_folder_kind *k = arg;
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    int rc = load_file(k, path, &err);
    if (rc < 0) {
        LOG_WARN(topic, "A plug-in is left out: %s", error_format(&err, text, sizeof(text)));
    } else if (rc > 0) {
        LOG_INFO(topic, "A %s is loaded from %s.", k->what, path);
    }
}

void plugin_folder_load(struct plugin_folder_kind *k, const char *dir)
{
    STR_AUTO found = STR_INIT;
    if (dir == NULL) {
        plugin_folder_find(&found);
    }
    pthread_mutex_lock(&k->loading); /* who comes second must find what the first loads */
    if (!k->is_loaded) {
        plugin_folder_each(dir != NULL ? dir : str_cstr(&found), load_or_tell, k);
        k->is_loaded = true;
    }
    pthread_mutex_unlock(&k->loading);
}
