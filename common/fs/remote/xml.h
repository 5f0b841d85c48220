/* XML as servers answer it and Hadoop keeps its configuration: small documents without attributes that matter, read by expat, which is loaded on first
 * use.  Thread: any. */
#ifndef FLINC_COMMON_FS_REMOTE_XML_H
#define FLINC_COMMON_FS_REMOTE_XML_H

#include "common/base/error.h"
#include "common/base/str.h"

enum { XML_DEPTH_MAX = 16, XML_PATH_MAX = 512 };

/* At the end of each element: "ListBucketResult/Contents/Key" and the text that is directly in it, good until it returns.
 * Negative ends the reading. */
typedef int xml_on_element(void *arg, const char *path, struct slice text, struct error *err);
/* ERR_CORRUPT: it is no document of this kind. */
int xml_read(struct slice document, xml_on_element *on_element, void *arg,
             struct error *err) MUST_CHECK;
/* The text of one element; false: it has none, or is no document. */
bool xml_find(struct slice document, const char *path, struct str *ret_text);
/* Appends with '&', '<' and '>' escaped. */
void xml_escape(struct str *out, struct slice text);

#endif
