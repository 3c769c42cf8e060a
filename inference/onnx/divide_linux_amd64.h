#include <errno.h>
#include <signal.h>
#include <stdbool.h>

// divide carries out the integer division that a signal's context (a ucontext_t) stands at, and steps
// over it. It returns false, and changes nothing, where there is none, or one without a result.
bool divide(void *context);

// divide_on has libraries' divisions carried out by divide where the processor traps. It returns 0 or
// an errno.
int divide_on(void);
