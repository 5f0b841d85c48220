/* Letters beyond ASCII: upper and lower case by Unicode, whole texts.  Inside the room only.  Thread: any. */
#ifndef FLINC_ENGINE_FUNCTIONS_LETTERS_H
#define FLINC_ENGINE_FUNCTIONS_LETTERS_H

#include "common/base/str.h"

/* Appends the text in upper or lower case: one character may become several ("ß" is "SS"). */
void letters_change(struct slice text, bool is_upper, struct str *out);

#endif
