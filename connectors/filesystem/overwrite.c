/* Files of before; see overwrite.h. */
#include "connectors/filesystem/overwrite.h"

#include "common/base/failpoint.h"
#include "common/fs/fs.h"

/* Those of this run have its name: they may be there when a committer begins again. */
static bool is_of_run(const Flinc__FilesystemCommitConfig *c, const char *name)
{
    STR_AUTO stem = STR_INIT;
    const char *rest = cstr_starts_with(name, "compacted-") ? name + strlen("compacted-") : name;

    str_printf(&stem, "%s-%s-", c->part_prefix, c->run_id);
    return cstr_starts_with(rest, str_cstr(&stem));
}

static bool is_due(const Flinc__FilesystemCommitConfig *c, const struct fs_entry *e)
{
    return e->status.kind == FS_KIND_FILE && e->name[0] != '.' && e->name[0] != '_' &&
           !is_of_run(c, e->name);
}

int overwrite_folder(const Flinc__FilesystemCommitConfig *config, const char *folder,
                     struct error *err)
{
    STR_AUTO path = STR_INIT;
    struct fs_list list = FS_LIST_INIT;

    str_printf(&path, "%s%s%s", config->path, cstr_ends_with(config->path, "/") ? "" : "/", folder);
    int rc = fs_list_dir(str_cstr(&path), &list, err);
    if (rc == ERR_NOT_FOUND) {
        rc = 0;
    }
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        if (is_due(config, &list.entries[i])) {
            rc = FAILPOINT(err, "sink.table_files.overwrite");
            rc = rc < 0 ? rc : fs_delete(list.entries[i].path, FS_DELETE_ONE, err);
            rc = rc == ERR_NOT_FOUND ? 0 : rc;
        }
    }
    fs_list_fini(&list);
    return rc;
}
