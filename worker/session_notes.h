/* Private to worker/session_*.c: commands from clients, and who does them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct session_note;
struct session_run;

/* session_notes.c */
void session_notes_perform(struct session_run *s);
/* A command that was started is over: why NULL: done. It is freed. */
void session_note_end(struct session_run *s, struct session_note *note, const char *why);
void session_prompts_write(void *arg);                                     /* the body of a child */
bool session_note_start(struct session_run *s, struct session_note *note); /* says so */
void session_note_drop(struct session_run *s, struct session_note *note);  /* says nothing */
void session_note_free(struct session_note *note);
/* The first of its prompts is the agent's from here on, and no client's. False: it is not, and was
 * put away, or is waited for. */
bool session_note_claim(struct session_run *s);
/* How long a prompt still waits for the one before it, or for what changed; 0: not any more. */
uint64_t session_note_waits_ms(const struct session_run *s, const struct session_note *note);
void session_notes_free(struct session_run *s);

/* session_slash.c */
/* Who does a slash command: we, the agent, or nobody but as a prompt. */
enum session_slash { SLASH_LOCAL, SLASH_NATIVE, SLASH_PASSED };
enum session_slash session_slash_of(const struct session_run *s, const struct session_note *note);
/* One that is SLASH_LOCAL. NULL: it is done, note->result is its result; else why not. */
const char *session_slash_answer(struct session_run *s, struct session_note *note);
