/*
 * Entry by the PVH boot protocol: 32-bit protected mode, flat segments, paging off, EBX = hvm_start_info.
 * Sets up identity-mapped long mode and calls kernel_main(start_info).
 */
        .section .note.Xen, "a", @note
        .long   4                       /* length of the name */
        .long   8                       /* length of the description */
        .long   18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .quad   start32

        .section .text.boot, "ax", @progbits
        .code32
        .globl  start32
        .type   start32, @function
start32:
        cli
        movl    $stack_top, %esp
        movl    %ebx, %edi              /* first argument of kernel_main */

        /* Four page directories of 512 pages of 2 MiB each: 4 GiB, linear = physical. */
        movl    $0x83, %eax             /* present, writable, large */
        movl    $page_directories, %edx
        movl    $2048, %ecx
1:      movl    %eax, (%edx)
        addl    $0x200000, %eax
        addl    $8, %edx
        decl    %ecx
        jnz     1b

        movl    $page_directory_pointers, %edx
        movl    $page_directories + 3, %eax
        movl    $4, %ecx
2:      movl    %eax, (%edx)
        addl    $0x1000, %eax
        addl    $8, %edx
        decl    %ecx
        jnz     2b
        movl    $page_directory_pointers + 3, page_map

        movl    $page_map, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0x20, %eax             /* CR4.PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx       /* EFER */
        rdmsr
        orl     $0x100, %eax            /* LME */
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax       /* CR0.PG: long mode is active from here */
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $0x08, $start64
        .size   start32, . - start32

        .code64
        .globl  start64
        .type   start64, @function
start64:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %edi, %edi              /* clears the upper half */
        xorl    %ebp, %ebp              /* the stack ends here */
        call    kernel_main
3:      hlt
        jmp     3b
        .size   start64, . - start64

        .section .rodata
        .balign 8
gdt:    .quad   0
        .quad   0x00af9b000000ffff      /* 0x08: code, 64 bits */
        .quad   0x00cf93000000ffff      /* 0x10: data */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt

        .section .bss
        .balign 4096
page_map:                .skip 4096
page_directory_pointers: .skip 4096
page_directories:        .skip 4 * 4096
stack:                   .skip 16384
stack_top:
        .section .note.GNU-stack, "", @progbits
