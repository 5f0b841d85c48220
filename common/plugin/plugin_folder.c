/* Files of the plug-in folder; see plugin_folder.h. */
#include "common/plugin/plugin_folder.h"

#include "common/base/vec.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>

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
