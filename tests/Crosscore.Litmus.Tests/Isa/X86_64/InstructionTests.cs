using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Machine;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

/// <summary>
/// Each kind of instruction, in each width and with each kind of operands, gives the outcome computed by hand; and a
/// mutant of it gives another one. A runner that ran nothing, or something else, fails here.
/// </summary>
public class InstructionTests
{
    private const ulong A = 0x1122334455667788;
    private const ulong B = 0x0F0E0D0C0B0A0908;
    private const ulong X = 0x8877665544332211;

    /// <summary>
    /// Instructions; then rax and x afterwards; then a mutant, and rax and x after that. rax, rbx and x begin as A, B
    /// and X; the others as zero.
    /// </summary>
    public static TheoryData<string, ulong, ulong, string, ulong, ulong> Table =>
        new()
        {
            // mov: narrow ones keep the rest of a register, four bytes clear it.
            { "movb %bl,%al", 0x1122334455667708, X, "movw %bx,%ax", 0x1122334455660908, X },
            { "movw %bx,%ax", 0x1122334455660908, X, "movl %ebx,%eax", 0x0B0A0908, X },
            { "movl %ebx,%eax", 0x0B0A0908, X, "movq %rbx,%rax", B, X },
            { "movq %rbx,%rax", B, X, "nop", A, X },
            { "movb (x),%al", 0x1122334455667711, X, "movb %al,(x)", A, 0x8877665544332288 },
            { "movw (x),%ax", 0x1122334455662211, X, "movw %ax,(x)", A, 0x8877665544337788 },
            { "movl (x),%eax", 0x44332211, X, "movl %eax,(x)", A, 0x8877665555667788 },
            { "movq (x),%rax", X, X, "movq %rax,(x)", A, A },
            { "movb $0xff,%al", 0x11223344556677FF, X, "movb $0xfe,%al", 0x11223344556677FE, X },
            { "movw $-2,%ax", 0x112233445566FFFE, X, "movw $2,%ax", 0x1122334455660002, X },
            { "movl $-2,%eax", 0xFFFFFFFE, X, "movq $-2,%rax", 0xFFFFFFFFFFFFFFFE, X },
            { "movq $0x123456789abcdef0,%rax", 0x123456789ABCDEF0, X, "movq $0x12345678,%rax", 0x12345678, X },
            { "movb $1,(x)", A, 0x8877665544332201, "movw $1,(x)", A, 0x8877665544330001 },
            { "movl $1,(x)", A, 0x8877665500000001, "movq $1,(x)", A, 1 },
            { "movq $-1,(x)", A, ulong.MaxValue, "movl $-1,(x)", A, 0x88776655FFFFFFFF },
            // movzx, movsx
            { "movb $0x80,%bl\n movzbl %bl,%eax", 0x80, X, "movb $0x80,%bl\n movsbl %bl,%eax", 0xFFFFFF80, X },
            { "movzbw (x),%ax", 0x1122334455660011, X, "movzwl (x),%eax", 0x2211, X },
            { "movzbq (x),%rax", 0x11, X, "movzwq (x),%rax", 0x2211, X },
            {
                "movb $-3,(x)\n movsbw (x),%ax",
                0x112233445566FFFD,
                0x88776655443322FD,
                "movb $-3,(x)\n movzbw (x),%ax",
                0x11223344556600FD,
                0x88776655443322FD
            },
            {
                "movb $-3,(x)\n movsbq (x),%rax",
                0xFFFFFFFFFFFFFFFD,
                0x88776655443322FD,
                "movb $-3,(x)\n movsbl (x),%eax",
                0xFFFFFFFD,
                0x88776655443322FD
            },
            {
                "movw $-3,(x)\n movswq (x),%rax",
                0xFFFFFFFFFFFFFFFD,
                0x887766554433FFFD,
                "movw $-3,(x)\n movswl (x),%eax",
                0xFFFFFFFD,
                0x887766554433FFFD
            },
            {
                "movl $-3,%ebx\n movslq %ebx,%rax",
                0xFFFFFFFFFFFFFFFD,
                X,
                "movl $-3,%ebx\n movl %ebx,%eax",
                0xFFFFFFFD,
                X
            },
            // lea
            { "movq $16,%rbx\n leaq 5(%rbx,%rbx,4),%rax", 85, X, "movq $16,%rbx\n leaq 5(%rbx,%rbx,2),%rax", 53, X },
            { "leal 1(%rbx),%eax", 0x0B0A0909, X, "leaw 1(%rbx),%ax", 0x1122334455660909, X },
            // xchg, xadd, cmpxchg
            {
                "xchgb %al,(x)",
                0x1122334455667711,
                0x8877665544332288,
                "xchgw %ax,(x)",
                0x1122334455662211,
                0x8877665544337788
            },
            { "xchgl %eax,(x)", 0x44332211, 0x8877665555667788, "xchgq %rax,(x)", X, A },
            { "xchgq %rbx,%rax", B, X, "movq %rax,%rbx", A, X },
            {
                "xaddb %al,(x)",
                0x1122334455667711,
                0x8877665544332299,
                "xaddw %ax,(x)",
                0x1122334455662211,
                0x8877665544339999
            },
            { "lock xaddl %eax,(x)", 0x44332211, 0x8877665599999999, "lock addl %eax,(x)", A, 0x8877665599999999 },
            { "lock xaddq %rax,(x)", X, 0x9999999999999999, "xchgq %rax,(x)", X, A },
            { "xaddq %rbx,%rax", 0x2030405060708090, X, "addq %rax,%rax", 0x22446688AACCEF10, X },
            { "movq (x),%rax\n lock cmpxchgq %rbx,(x)", X, B, "lock cmpxchgq %rbx,(x)", X, X },
            { "movl (x),%eax\n cmpxchgl %ebx,(x)", 0x44332211, 0x887766550B0A0908, "cmpxchgl %ebx,(x)", 0x44332211, X },
            {
                "movb (x),%al\n lock cmpxchgb %bl,(x)",
                0x1122334455667711,
                0x8877665544332208,
                "lock cmpxchgw %bx,(x)",
                0x1122334455662211,
                X
            },
            // add, sub, and, or, xor: registers, memory on either side, constants
            { "addb %bl,%al", 0x1122334455667790, X, "subb %bl,%al", 0x1122334455667780, X },
            { "addw %bx,%ax", 0x1122334455668090, X, "subw %bx,%ax", 0x1122334455666E80, X },
            { "addl (x),%eax", 0x99999999, X, "subl (x),%eax", 0x11335577, X },
            { "addq %rax,(x)", A, 0x9999999999999999, "subq %rax,(x)", A, 0x77553310EECCAA89 },
            { "addl $-1,%eax", 0x55667787, X, "addq $-1,%rax", 0x1122334455667787, X },
            { "lock addb $1,(x)", A, 0x8877665544332212, "lock subb $1,(x)", A, 0x8877665544332210 },
            { "lock subw $0x11,(x)", A, 0x8877665544332200, "lock addw $0x11,(x)", A, 0x8877665544332222 },
            { "andb $0x0f,%al", 0x1122334455667708, X, "orb $0x0f,%al", 0x112233445566778F, X },
            { "andw %bx,%ax", 0x1122334455660108, X, "orw %bx,%ax", 0x1122334455667F88, X },
            { "andl %eax,(x)", A, 0x8877665544222200, "orl %eax,(x)", A, 0x8877665555777799 },
            { "andq (x),%rax", 0x0022224444222200, X, "xorq (x),%rax", 0x9955551111555599, X },
            { "lock orq $0x100,(x)", A, 0x8877665544332311, "lock andq $0x100,(x)", A, 0 },
            { "xorl %eax,%eax", 0, X, "orl %eax,%eax", 0x55667788, X },
            { "lock xorl $-1,(x)", A, 0x88776655BBCCDDEE, "lock andl $-1,(x)", A, X },
            // cmp, test: seen through the flags
            { "cmpq %rbx,%rax\n setg %al", 0x1122334455667701, X, "cmpq %rax,%rbx\n setg %al", 0x1122334455667700, X },
            { "cmpb $0x11,(x)\n sete %al", 0x1122334455667701, X, "cmpw $0x11,(x)\n sete %al", 0x1122334455667700, X },
            { "cmpl (x),%eax\n seta %al", 0x1122334455667701, X, "cmpl %eax,(x)\n seta %al", 0x1122334455667700, X },
            {
                "testb $0x70,%al\n sete %al",
                0x1122334455667701,
                X,
                "testb $0x80,%al\n sete %al",
                0x1122334455667700,
                X
            },
            { "testq %rax,(x)\n seto %al", 0x1122334455667700, X, "cmpq %rax,(x)\n seto %al", 0x1122334455667701, X },
            {
                "testl (x),%eax\n setne %al",
                0x1122334455667701,
                X,
                "testl $0x8,(x)\n setne %al",
                0x1122334455667700,
                X
            },
            // inc, dec, neg, not
            { "incb %al", 0x1122334455667789, X, "decb %al", 0x1122334455667787, X },
            { "lock incl (x)", A, 0x8877665544332212, "lock decl (x)", A, 0x8877665544332210 },
            { "incq %rax", 0x1122334455667789, X, "incl %eax", 0x55667789, X },
            { "decw (x)", A, 0x8877665544332210, "incw (x)", A, 0x8877665544332212 },
            { "negb %al", 0x1122334455667778, X, "notb %al", 0x1122334455667777, X },
            { "lock negq (x)", A, 0x778899AABBCCDDEF, "lock notq (x)", A, 0x778899AABBCCDDEE },
            { "notl %eax", 0xAA998877, X, "negl %eax", 0xAA998878, X },
            { "notw (x)", A, 0x887766554433DDEE, "negw (x)", A, 0x887766554433DDEF },
            // shl, shr, sar: by a constant and by cl
            { "shlb $4,%al", 0x1122334455667780, X, "shrb $4,%al", 0x1122334455667708, X },
            { "shrw $4,%ax", 0x1122334455660778, X, "shrl $4,%eax", 0x05566778, X },
            { "sarb $4,%al", 0x11223344556677F8, X, "shrb $4,%al", 0x1122334455667708, X },
            { "shll $8,(x)", A, 0x8877665533221100, "shrl $8,(x)", A, 0x8877665500443322 },
            { "sarq $60,(x)", A, 0xFFFFFFFFFFFFFFF8, "shrq $60,(x)", A, 8 },
            {
                "movl $12,%ecx\n shlq %cl,%rax",
                0x2334455667788000,
                X,
                "movl $12,%ecx\n shrq %cl,%rax",
                0x0001122334455667,
                X
            },
            {
                "movl $4,%ecx\n sarw %cl,(x)",
                A,
                0x8877665544330221,
                "movl $5,%ecx\n sarw %cl,(x)",
                A,
                0x8877665544330110
            },
            // cmov, set, jumps, ret
            {
                "cmpl %eax,%eax\n cmovel %ebx,%eax",
                0x0B0A0908,
                X,
                "cmpl %eax,%eax\n cmovnel %ebx,%eax",
                0x55667788,
                X
            },
            { "cmpl %eax,%eax\n cmoveq (x),%rax", X, X, "cmpl %eax,%eax\n cmovew (x),%ax", 0x1122334455662211, X },
            { "cmpl %eax,%eax\n sete (x)", A, 0x8877665544332201, "cmpl %eax,%eax\n setne (x)", A, 0x8877665544332200 },
            { "jmp L\n incq %rax\n L: nop", A, X, "jmp L\n L: incq %rax", 0x1122334455667789, X },
            {
                "cmpl %eax,%eax\n je L\n incq %rax\n L: nop",
                A,
                X,
                "cmpl %eax,%eax\n jne L\n incq %rax\n L: nop",
                0x1122334455667789,
                X
            },
            {
                "jmp L\n M: incq %rax\n L:\n N:\n nop",
                A,
                X,
                "jmp M\n M: incq %rax\n L:\n N:\n nop",
                0x1122334455667789,
                X
            },
            { "ret\n incq %rax", A, X, "nop\n incq %rax", 0x1122334455667789, X },
            {
                "movl $3,%ecx\n L: incq %rax\n decl %ecx\n jne L",
                0x112233445566778B,
                X,
                "movl $4,%ecx\n L: incq %rax\n decl %ecx\n jne L",
                0x112233445566778C,
                X
            },
            // What orders memory leaves a lone column as it is; FenceEncodingTests sees to the bytes.
            {
                "mfence\n sfence\n lfence\n pause\n nop\n incq %rax",
                0x1122334455667789,
                X,
                "mfence\n sfence\n lfence\n pause\n nop\n decq %rax",
                0x1122334455667787,
                X
            },
            {
                "membarrier private_expedited\n incq %rax",
                0x1122334455667789,
                X,
                "membarrier private_expedited\n decq %rax",
                0x1122334455667787,
                X
            },
        };

    [Theory]
    [MemberData(nameof(Table))]
    public void An_instruction_does_what_it_says_and_its_mutant_something_else(
        string code,
        ulong rax,
        ulong x,
        string mutant,
        ulong mutantRax,
        ulong mutantX
    )
    {
        MachineTests.RequireMachine();
        Assert.Equal([rax, x], MachineTests.OnlyOutcome(Column(code)));
        Assert.Equal([mutantRax, mutantX], MachineTests.OnlyOutcome(Column(mutant)));
        Assert.NotEqual((rax, x), (mutantRax, mutantX));
    }

    [Fact]
    public void The_table_has_every_opcode()
    {
        HashSet<X86_64Opcode> had = [];
        foreach (ITheoryDataRow row in Table)
        {
            had.UnionWith(
                MachineTests
                    .Parse(Column((string)row.GetData()[0]!))
                    .Threads[0]
                    .InstructionsAs<X86_64Instruction>()
                    .Select(instruction => instruction.Opcode)
            );
        }

        // Tests with these do not run on a machine (IInstructionSet.WhyModelOnly).
        X86_64Opcode[] modelOnly =
        [
            X86_64Opcode.Syscall,
            X86_64Opcode.Call,
            X86_64Opcode.Rseq,
            X86_64Opcode.RseqCpu,
            X86_64Opcode.Serialize,
        ];
        Assert.Equal(modelOnly, Enum.GetValues<X86_64Opcode>().Except(had));
    }

    /// <summary>Every condition, after a comparison of eax with a constant; those that hold are listed.</summary>
    [Theory]
    [InlineData(5u, 5, "no ae e be ns ge le")]
    [InlineData(1u, 2, "no b ne be s l le")]
    [InlineData(3u, 2, "no ae ne a ns ge g")]
    [InlineData(0x80000000u, 1, "o ae ne a ns l le")]
    [InlineData(0x7FFFFFFFu, -1, "o b ne be s ge g")]
    public void Conditions_hold_where_the_architecture_says_so(uint left, int right, string holding)
    {
        MachineTests.RequireMachine();
        foreach (X86_64Condition condition in Enum.GetValues<X86_64Condition>())
        {
            string name = condition.ToString().ToLowerInvariant();
            ulong expected = holding.Split(' ').Contains(name) ? 1UL : 0;
            string text = $$"""
                X86_64 condition
                { 0:rax={{left}}; 0:rdx=0; 0:rsi=1; 0:rdi=0; }
                 P0                 ;
                 cmpl ${{right}},%eax ;
                 set{{name}} %bl    ;
                 cmov{{name}}l %esi,%edx ;
                 j{{name}} L        ;
                 jmp M              ;
                 L: movl $1,%edi    ;
                 M: nop             ;
                exists (0:rbx=0 /\ 0:rdx=0 /\ 0:rdi=0)
                """;
            Assert.Equal([expected, expected, expected], MachineTests.OnlyOutcome(text));
        }
    }

    [Fact]
    public void Flags_and_unnamed_registers_begin_as_zero()
    {
        MachineTests.RequireMachine();
        ulong[] values = MachineTests.OnlyOutcome(
            """
            X86_64 zero
            { uint64_t 0:r9; }
             P0         ;
             sete %al   ;
             setb %bl   ;
             sets %cl   ;
             seto %dl   ;
            exists (0:rax=0 /\ 0:rbx=0 /\ 0:rcx=0 /\ 0:rdx=0 /\ 0:r9=0)
            """
        );
        Assert.All(values, value => Assert.Equal(0UL, value));
    }

    [Fact]
    public void A_system_call_keeps_all_registers_and_flags()
    {
        MachineTests.RequireMachine();
        ulong[] values = MachineTests.OnlyOutcome(
            """
            X86_64 kept
            { 0:rax=1; 0:rcx=2; 0:rdx=3; 0:rsi=4; 0:rdi=5; 0:r11=6; 0:rbx=0; }
             P0                           ;
             cmpl $2,%eax                 ;
             membarrier private_expedited ;
             setb %bl                     ;
            exists (0:rax=0 /\ 0:rbx=0 /\ 0:rcx=0 /\ 0:rdx=0 /\ 0:rsi=0 /\ 0:rdi=0 /\ 0:r11=0)
            """
        );
        Assert.Equal([1UL, 1, 2, 3, 4, 5, 6], values);
    }

    [Fact]
    public void The_look_at_the_head_of_a_loop_keeps_the_flags()
    {
        MachineTests.RequireMachine();

        // dec leaves the carry alone, so it comes around the loop from the comparison before it.
        ulong[] values = MachineTests.OnlyOutcome(
            """
            X86_64 carry
            { 0:rcx=3; }
             P0           ;
             cmpl $1,%eax ;
             L: setb %bl  ;
             decl %ecx    ;
             jne L        ;
            exists (0:rbx=0 /\ 0:rcx=0)
            """
        );
        Assert.Equal([1UL, 0], values);
    }

    [Fact]
    public void Arrays_addresses_and_three_part_operands_find_their_memory()
    {
        MachineTests.RequireMachine();
        LitmusTest test = MachineTests.Parse(
            """
            X86_64 addresses
            { uint64_t t[3]={10,20,30}; uint64_t p=x; uint64_t x=7; 0:rbx=t;
              uint64_t 0:rax; uint64_t 0:rcx; uint64_t 0:rdx; uint64_t 0:rsi; }
             P0                     ;
             movq $1,%rdi           ;
             movq 8(%rbx,%rdi,8),%rax ;
             movq (p),%rcx          ;
             movq (%rcx),%rdx       ;
             movq $p,%rsi           ;
            exists (0:rax=0 /\ 0:rcx=0 /\ 0:rdx=0 /\ 0:rsi=0)
            """
        );
        Outcome outcome = Assert
            .Single(
                Litmus
                    .Machine.MachineRunner.Run(test, new() { Iterations = 10 }, TestContext.Current.CancellationToken)
                    .Histogram
            )
            .Key;
        var layout = new MemoryLayout(test.Variables);
        Assert.Equal([30, layout.ModelAddressOf("x"), 7, layout.ModelAddressOf("p")], outcome.Values.ToArray());
    }

    private static string Column(string code) =>
        $"X86_64 column\n{{ uint64_t x={X}; uint64_t 0:rax={A}; uint64_t 0:rbx={B}; }}\n "
        + $"P0 ;\n {string.Join(" ;\n ", code.Split('\n'))} ;\nexists (0:rax=0 /\\ x=0)\n";
}
