// Carries out divisions that trap, of every form that a compiler may give them, and tells which of
// them do not give what they should. TestDivide compiles and runs it.
#include "../divide_linux_amd64.c"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static sigjmp_buf refused;

static void on_test(int number, siginfo_t *info, void *context) {
	(void)number, (void)info;
	if (!divide(context)) siglongjmp(refused, 1);
}

struct numbers {
	uint64_t low, high, divisor;
};

static int failures, tried;

static void check(const char *form, struct numbers in, uint64_t quotient, uint64_t remainder, uint64_t low, uint64_t high) {
	tried++;
	if (quotient == low && remainder == high) return;
	failures++;
	printf("%s: %#lx:%#lx by %#lx: expected %#lx, remainder %#lx, got %#lx, %#lx\n", form, in.high, in.low, in.divisor,
	       quotient, remainder, low, high);
}

// A register that is none of RAX, RDX and where the compiler keeps addresses.
#define BY_REGISTER(form, full, part, instruction, in, quotient, remainder)                                          \
	do {                                                                                                             \
		uint64_t low = (in).low, high = (in).high;                                                                   \
		__asm__ volatile("mov %2, %%" full "\n\t" instruction " %%" part                                             \
		                 : "+a"(low), "+d"(high)                                                                     \
		                 : "m"((in).divisor)                                                                         \
		                 : full, "cc");                                                                              \
		check(form " " instruction " " part, in, quotient, remainder, low, high);                                    \
	} while (0)

// An operand in memory, at an address made of what the text says: %2 is the array, %3 an index.
#define BY_MEMORY(instruction, operand, in, quotient, remainder)                                                     \
	do {                                                                                                             \
		uint64_t low = (in).low, high = (in).high;                                                                   \
		__asm__ volatile(instruction " " operand                                                                     \
		                 : "+a"(low), "+d"(high)                                                                     \
		                 : "r"(array), "r"(index)                                                                    \
		                 : "cc", "memory");                                                                          \
		check(instruction " " operand, in, quotient, remainder, low, high);                                          \
	} while (0)

uint64_t fixed;

#define EVERY_FORM(suffix, a, b, c, d, e, f, in, quotient, remainder)                                                \
	do {                                                                                                             \
		BY_REGISTER("", "rbx", a, "idiv" suffix, in, quotient, remainder);                                           \
		BY_REGISTER("", "rsi", b, "idiv" suffix, in, quotient, remainder);                                           \
		BY_REGISTER("", "r8", c, "idiv" suffix, in, quotient, remainder);                                            \
		BY_REGISTER("", "r12", d, "idiv" suffix, in, quotient, remainder);                                           \
		BY_REGISTER("", "r13", e, "idiv" suffix, in, quotient, remainder);                                           \
		BY_REGISTER("", "r15", f, "idiv" suffix, in, quotient, remainder);                                           \
		uint64_t words[64] = {0}, *array = words + 20;                                                               \
		int64_t index = 3;                                                                                           \
		array[0] = array[3] = array[-2] = array[5] = array[40] = fixed = (in).divisor;                               \
		BY_MEMORY("idiv" suffix, "(%2)", in, quotient, remainder);                                                   \
		BY_MEMORY("idiv" suffix, "-16(%2)", in, quotient, remainder);                                                \
		BY_MEMORY("idiv" suffix, "320(%2)", in, quotient, remainder);                                                \
		BY_MEMORY("idiv" suffix, "(%2,%3,8)", in, quotient, remainder);                                              \
		BY_MEMORY("idiv" suffix, "16(%2,%3,8)", in, quotient, remainder);                                            \
		BY_MEMORY("idiv" suffix, "296(%2,%3,8)", in, quotient, remainder);                                           \
		BY_MEMORY("idiv" suffix, "fixed(%%rip)", in, quotient, remainder);                                           \
	} while (0)

// Addresses in registers whose numbers have a meaning of their own in an encoding: RSP, RBP, R12, R13.
#define BY_BASE(base, operand, in, quotient, remainder)                                                              \
	do {                                                                                                             \
		uint64_t low = (in).low, high = (in).high, words[8] = {0, 0, 0, (in).divisor}, *array = words + 3;           \
		__asm__ volatile("push %%" base "\n\tmov %2, %%" base "\n\tidivq " operand "\n\tpop %%" base                 \
		                 : "+a"(low), "+d"(high)                                                                     \
		                 : "r"(array)                                                                                \
		                 : "cc", "memory");                                                                          \
		check("idivq " operand, in, quotient, remainder, low, high);                                                 \
	} while (0)

int main(void) {
	struct sigaction action = {.sa_sigaction = on_test, .sa_flags = SA_SIGINFO};
	if (sigaction(SIGFPE, &action, 0) != 0) return 2;

	// The least integer by −1.
	struct numbers q = {(uint64_t)1 << 63, ~(uint64_t)0, ~(uint64_t)0};
	EVERY_FORM("q", "rbx", "rsi", "r8", "r12", "r13", "r15", q, q.low, 0);
	struct numbers l = {0xabcd000080000000, 0xabcdffffffffffff, 0xabcdffffffffffff};
	EVERY_FORM("l", "ebx", "esi", "r8d", "r12d", "r13d", "r15d", l, 0x80000000, 0);
	struct numbers w = {0xabcdabcdabcd8000, 0xabcdabcdabcdffff, 0xabcdabcdabcdffff};
	EVERY_FORM("w", "bx", "si", "r8w", "r12w", "r13w", "r15w", w, w.low, 0xabcdabcdabcd0000);
	struct numbers b = {0xabcdabcdabcdff80, 0xabcd, 0xabcdabcdabcdabff};
	EVERY_FORM("b", "bl", "sil", "r8b", "r12b", "r13b", "r15b", b, 0xabcdabcdabcd0080, 0xabcd);
	struct numbers h = {0xabcdabcdabcdff80, 0xabcd, 0xff00};
	BY_REGISTER("", "rbx", "bh", "idivb", h, 0xabcdabcdabcd0080, 0xabcd);

	// Anything by 0: nothing, and all that is left.
	struct numbers z = {77, 0, 0};
	EVERY_FORM("q", "rbx", "rsi", "r8", "r12", "r13", "r15", z, 0, 77);
	BY_REGISTER("unsigned", "rbx", "rbx", "divq", z, 0, 77);
	struct numbers y = {0xabcd000000000007, 0xabcd000000000000, 0xabcd000000000000};
	EVERY_FORM("l", "ebx", "esi", "r8d", "r12d", "r13d", "r15d", y, 0, 7);
	BY_REGISTER("unsigned", "r9", "r9d", "divl", y, 0, 7);
	struct numbers x = {0xabcdabcdabcd0107, 0xabcd, 0xabcd00};
	EVERY_FORM("b", "bl", "sil", "r8b", "r12b", "r13b", "r15b", x, 0xabcdabcdabcd0700, 0xabcd);

	BY_BASE("rbp", "(%%rbp)", q, q.low, 0);
	BY_BASE("r12", "(%%r12)", q, q.low, 0);
	BY_BASE("r13", "(%%r13)", q, q.low, 0);
	{ // a stack pointer, for which nothing may be pushed
		uint64_t low = q.low, high = q.high;
		__asm__ volatile("push %2\n\tidivq (%%rsp)\n\tadd $8, %%rsp" : "+a"(low), "+d"(high) : "r"(q.divisor) : "cc", "memory");
		check("idivq (%rsp)", q, q.low, 0, low, high);
	}
	{ // an index without a base
		uint64_t low = q.low, high = q.high, index = 8;
		static uint64_t words[2];
		words[1] = q.divisor;
		uint64_t at = (uint64_t)&words[0];
		index = (at + 8) / 8; // words are aligned
		__asm__ volatile("idivq 0(,%2,8)" : "+a"(low), "+d"(high) : "r"(index) : "cc", "memory");
		check("idivq 0(,%2,8)", q, q.low, 0, low, high);
	}

	// A quotient too large for what holds it is no division of two numbers of one type.
	struct numbers wide = {0, 5, 2};
	volatile int came_back = 0;
	if (sigsetjmp(refused, 1) == 0) {
		uint64_t low = wide.low, high = wide.high;
		__asm__ volatile("divq %2" : "+a"(low), "+d"(high) : "r"(wide.divisor) : "cc");
		came_back = 1;
	}
	if (came_back) {
		failures++;
		printf("a quotient of 65 bits: expected no result\n");
	}
	tried++;
	printf("%d of %d wrong\n", failures, tried);
	return failures != 0;
}
