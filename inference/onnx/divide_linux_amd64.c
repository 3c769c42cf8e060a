// Integer division that no numbers stop. See divide_linux_amd64.go.
#define _GNU_SOURCE
#include "divide_linux_amd64.h"

#include <stdint.h>
#include <ucontext.h>

// The general registers in the order in which instructions number them.
static const int numbered[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

// An instruction DIV or IDIV, as Intel's manual, volume 2, chapter 2 has it encoded.
struct division {
	int size;         // of an operand, in bytes: 1, 2, 4 or 8
	bool is_signed;   // IDIV
	uint64_t divisor; // its low size bytes count
	int64_t length;   // of the instruction, in bytes
};

static int32_t read32(const uint8_t *at) { return (int32_t)(at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24); }

// decode tells the instruction at the program counter, or false where it is another.
static bool decode(const greg_t *registers, struct division *d) {
	const uint8_t *start = (const uint8_t *)registers[REG_RIP], *at = start;
	d->size = 4;
	uint8_t rex = 0;
	if (*at == 0x66) {
		d->size = 2;
		at++;
	}
	if ((*at & 0xf0) == 0x40) rex = *at++;
	if (rex & 8) d->size = 8;
	if (*at != 0xf6 && *at != 0xf7) return false;
	if (*at++ == 0xf6) d->size = 1;
	uint8_t modrm = *at++;
	int mode = modrm >> 6, operation = modrm >> 3 & 7, base = modrm & 7;
	if (operation != 6 && operation != 7) return false;
	d->is_signed = operation == 7;
	if (mode == 3) {
		bool is_high = d->size == 1 && rex == 0 && base >= 4; // AH, CH, DH, BH
		d->divisor = is_high ? (uint64_t)registers[numbered[base - 4]] >> 8 : (uint64_t)registers[numbered[base | (rex & 1) << 3]];
		d->length = at - start;
		return true;
	}
	int64_t address = 0;
	bool has_base = true;
	if (base == 4) { // a byte follows that scales an index
		uint8_t sib = *at++;
		int index = (sib >> 3 & 7) | (rex & 2) << 2;
		base = sib & 7;
		if (index != 4) address = (int64_t)((uint64_t)registers[numbered[index]] << (sib >> 6));
		has_base = !(base == 5 && mode == 0);
	}
	bool is_relative = has_base && mode == 0 && base == 5; // to the next instruction
	if (has_base && !is_relative) address += registers[numbered[base | (rex & 1) << 3]];
	if (mode == 1) {
		address += (int8_t)*at++;
	} else if (mode == 2 || is_relative || !has_base) {
		address += read32(at);
		at += 4;
	}
	if (is_relative) address += (int64_t)at;
	d->length = at - start;
	d->divisor = 0;
	for (int i = 0; i < d->size; i++) d->divisor |= (uint64_t)((const uint8_t *)address)[i] << 8 * i;
	return true;
}

// put writes the low size bytes of a register, as the processor does: 4 bytes clear those above.
static void put(greg_t *r, int size, uint64_t value) {
	uint64_t mask = size >= 4 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * size) - 1;
	if (size == 4) value = (uint32_t)value;
	*r = (greg_t)(((uint64_t)*r & ~mask) | (value & mask));
}

bool divide(void *context) {
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct division d;
	if (!decode(registers, &d)) return false;
	int bits = 8 * d.size;
	uint64_t mask = d.size == 8 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1, least = (uint64_t)1 << (bits - 1);
	uint64_t low = (uint64_t)registers[REG_RAX] & mask;
	uint64_t high = d.size == 1 ? (uint64_t)registers[REG_RAX] >> 8 & mask : (uint64_t)registers[REG_RDX] & mask;
	uint64_t quotient, remainder;
	if ((d.divisor & mask) == 0) {
		quotient = 0;
		remainder = low;
	} else if (d.is_signed && low == least && high == mask && (d.divisor & mask) == mask) {
		quotient = least;
		remainder = 0;
	} else {
		return false; // no division of two numbers of one type
	}
	if (d.size == 1) {
		put(&registers[REG_RAX], 2, quotient | remainder << 8);
	} else {
		put(&registers[REG_RAX], d.size, quotient);
		put(&registers[REG_RDX], d.size, remainder);
	}
	registers[REG_RIP] += d.length;
	return true;
}

// The program itself: Go's code and ours. The linker sets both.
extern const char __executable_start[], etext[];

static struct sigaction of_go;

static void on_trap(int number, siginfo_t *info, void *context) {
	const char *at = (const char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	bool is_ours = at >= __executable_start && at < etext;
	if (info->si_code != FPE_INTDIV || is_ours || !divide(context)) of_go.sa_sigaction(number, info, context);
}

int divide_on(void) {
	if (sigaction(SIGFPE, 0, &of_go) != 0) return errno;
	if (!(of_go.sa_flags & SA_SIGINFO)) return EINVAL;
	struct sigaction action = of_go; // with Go's flags and mask: on the signal stack above all
	action.sa_sigaction = on_trap;
	return sigaction(SIGFPE, &action, 0) == 0 ? 0 : errno;
}
