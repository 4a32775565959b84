# Entry of the benchmark guest: PVH (32-bit protected mode) to 64-bit code with paging on; see kernels.h for what follows.
        .section .note.pvh, "a"
        .long 4, 4, 18                  # "Xen", 4 bytes, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long start32

        .section .text
        .code32
        .global start32
start32:
        cld
        movl %ebx, %ebp                 # struct hvm_start_info
        # Identity map of 1 GiB by 2 MiB pages, user pages all; one table of 4 KiB pages at 1 GiB.
        movl $pdpt + 7, pml4
        movl $pd + 7, pdpt
        movl $pd_high + 7, pdpt + 8
        movl $pt_high + 7, pd_high
        xorl %ecx, %ecx
        movl $0x87, %eax
1:      movl %eax, pd(, %ecx, 8)
        addl $0x200000, %eax
        incl %ecx
        cmpl $512, %ecx
        jne 1b
        movl $pml4, %eax
        movl %eax, %cr3
        movl $0x620, %eax               # PAE, OSFXSR, OSXMMEXCPT
        movl %eax, %cr4
        movl $0xc0000080, %ecx
        movl $0x101, %eax               # EFER: SCE, LME
        xorl %edx, %edx
        wrmsr
        movl $0x80010033, %eax          # PG, WP, NE, ET, MP, PE
        movl %eax, %cr0
        lgdt gdt_pointer
        ljmp $8, $start64

        .code64
start64:
        movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movabsq $stack_top, %rsp
        fninit
        lidt idt_pointer
        movl %ebp, %edi
        call kernel_main
1:      hlt
        jmp 1b

# Page fault: hands the address to C, which maps the page.
        .global fault_entry
fault_entry:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        movq %cr2, %rdi
        call handle_fault
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rax
        addq $8, %rsp
        iretq

# System calls: 0 returns its argument plus one; 1 leaves user mode.
        .global syscall_entry
syscall_entry:
        testl %eax, %eax
        jnz 1f
        movq %rsp, saved_user
        movq saved_kernel, %rsp
        pushq %rcx
        pushq %r11
        leaq 1(%rdi), %rax
        popq %r11
        popq %rcx
        movq saved_user, %rsp
        sysretq
1:      movq saved_kernel, %rsp
        movq %rdi, %rax
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret

# uint64_t enter_user(entry, argument, stack)
        .global enter_user
enter_user:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, saved_kernel
        movq %rdi, %rcx
        movq %rsi, %rdi
        movq %rdx, %rsp
        movl $2, %r11d
        sysretq

# void switch_to(uint64_t **from, uint64_t *to, uint64_t cr3)
        .global switch_to
switch_to:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, (%rdi)
        movq %rdx, %cr3
        movq %rsi, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret

        .section .data
        .balign 16
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
gdt_pointer:
        .word . - gdt - 1
        .quad gdt
idt_pointer:
        .word 4095
        .quad idt
saved_user:     .quad 0
saved_kernel:   .quad 0

        .section .bss
        .balign 4096
        .global pml4, pdpt, pd, pd_high, pt_high, idt, stack_top
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4096
pd_high: .skip 4096
pt_high: .skip 4096
idt:    .skip 4096
        .skip 65536
stack_top:
        .section .note.GNU-stack, "", @progbits
