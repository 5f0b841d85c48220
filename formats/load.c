/* Formats in the plug-in folder; see format.h. */
#include "common/base/log.h"
#include "common/plugin/plugin_folder.h"
#include "common/plugin/shared_object.h"
#include "formats/format.h"

#include <pthread.h>

static const char topic[] = "flinc.plugins";

_Static_assert(sizeof(FLINC_FORMAT_ENTRY_SYMBOL) == sizeof(PLUGIN_ENTRY_OF_FORMATS), "one symbol");

/* 1: it is a format and is registered; 0: it is something else. */
static int load_file(const char *path, struct error *err)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error none = ERROR_INIT;
    flinc_format_entry entry;
    void *address;

    TRY(shared_object_open(&so, path, err));
    if (shared_object_symbol(&so, FLINC_FORMAT_ENTRY_SYMBOL, "format", &address, &none) < 0) {
        shared_object_close(&so); /* others say whether it is anything */
        return 0;
    }
    memcpy(&entry, &address, sizeof(entry));
    const flinc_format *theirs = entry();
    int rc = theirs != NULL
                 ? format_register(theirs, path, err)
                 : error_set(err, ERR_INVALID_ARGUMENT, "%s: its entry gives no format", path);
    if (rc < 0) {
        shared_object_close(&so);
        return rc;
    }
    mem_free(STEAL(so.path)); /* its code stays */
    return 1;
}

static void note(void *arg, const char *path)
{
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];

    (void)arg;
    int rc = load_file(path, &err);
    if (rc < 0) {
        LOG_WARN(topic, "A plug-in is left out: %s", error_format(&err, text, sizeof(text)));
    } else if (rc > 0) {
        LOG_INFO(topic, "A format is loaded from %s.", path);
    }
}

void format_plugins_load(const char *dir)
{
    static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    STR_AUTO found = STR_INIT;

    if (dir == NULL) {
        plugin_folder_find(&found);
    }
    pthread_mutex_lock(&loading); /* who comes second must find what the first loads */
    if (!loaded) {
        plugin_folder_each(dir != NULL ? dir : str_cstr(&found), note, NULL);
        loaded = true;
    }
    pthread_mutex_unlock(&loading);
}
