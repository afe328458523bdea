using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

/// <summary>
/// One instruction alone, lowered and explored, with everything that it leaves behind: registers, memory, and the flags
/// as every condition sees them.
/// </summary>
public class InstructionMeaningTests
{
    private static readonly string[] ConditionNames =
    [
        "o",
        "no",
        "b",
        "ae",
        "e",
        "ne",
        "be",
        "a",
        "s",
        "ns",
        "l",
        "ge",
        "le",
        "g",
    ];
    private static readonly ulong[] Values =
    [
        0,
        1,
        0x80,
        0x7FFF_FFFF,
        0x8000_0000,
        0x1122_3344_5566_7788,
        0xFFFF_FFFF_FFFF_FFFF,
    ];

    public static TheoryData<string> Instructions { get; } =
    [
        "cmpxchgb %bl,(x)",
        "cmpxchgw %bx,(x)",
        "cmpxchgl %ebx,(x)",
        "cmpxchgq %rbx,(x)",
        "lock; cmpxchgl %ebx,(x)",
        "lock; cmpxchgq %rbx,(x)",
        "xaddb %bl,(x)",
        "xaddl %ebx,(x)",
        "lock; xaddq %rbx,(x)",
        "xaddl %eax,%ebx",
        "xaddl %ebx,%ebx",
        "xaddw %ax,%bx",
        "xchgb %al,(x)",
        "xchgl %eax,(x)",
        "xchgl %eax,%ebx",
        "xchgw %ax,%bx",
        "xchgq %rax,%rax",
        "addl %eax,(x)",
        "subl %eax,(x)",
        "subq (x),%rbx",
        "cmpl %eax,(x)",
        "cmpw (x),%bx",
        "testb %al,%bl",
        "lock; subl %eax,(x)",
        "lock; andl %eax,(x)",
        "incl (x)",
        "decq %rax",
        "lock; decl (x)",
        "negl (x)",
        "negq %rbx",
        "notl %eax",
        "notw (x)",
        "lock; negl (x)",
        "lock; notl (x)",
        "shll $1,%eax",
        "shrq $1,(x)",
        "sarb $1,%al",
        "shll $0,%eax",
        "shll $32,%eax",
        "movb (x),%al",
        "movw (x),%ax",
        "movl (x),%eax",
        "movl %eax,%eax",
        "movb %bl,(x)",
        "movl $-1,%eax",
        "movq $-1,%rax",
        "movw $-1,%ax",
        "movzbl (x),%eax",
        "movzwq %bx,%rax",
        "movsbl (x),%eax",
        "movslq %ebx,%rax",
        "movsbw %bl,%ax",
        "leaq 3(%rax,%rbx,4),%rdx",
        "leal 3(%rax,%rbx,8),%edx",
        "leaw (%rax),%dx",
        "cmpl %ebx,%eax ;\ncmovll %ebx,%eax",
        "cmpq %rbx,%rax ;\ncmovgeq (x),%rax",
        "cmpb %bl,%al ;\ncmovbw %bx,%ax",
        "testl %eax,%eax ;\nsets (x)",
    ];

    [Theory]
    [MemberData(nameof(Instructions))]
    public void An_instruction_leaves_what_the_manual_says(string instruction)
    {
        foreach (ulong a in Values)
        {
            foreach (ulong b in Values)
            {
                LitmusTest test = TestOutcomes.Parse(Program(instruction, a, b));
                HashSet<Outcome> expected = OracleSearch.Outcomes(test, CoreKind.Sc)!;
                Assert.Single(expected);
                TestOutcomes.AssertEqual(TestOutcomes.Explore(test, CoreKind.Sc), expected);
            }
        }
    }

    // A condition on the overflow flag after a shift by more than one would be refused; these shift by one, or by
    // nothing.
    private static string Program(string instruction, ulong a, ulong b) =>
        $$"""
            X86_64 Meaning
            { uint64_t x=0x{{a
                ^ (
                    b >> 1
                ):x}}; uint8_t f[14];
              uint64_t 0:rax=0x{{a:x}}; uint64_t 0:rbx=0x{{b:x}}; uint64_t 0:rdx=0x0123456789abcdef; }
            P0 ;
            {{instruction}} ;
            {{string.Concat(ConditionNames.Select((name, index) => $"set{name} {index}(f) ;\n"))}}
            locations [x; f; 0:rax; 0:rbx; 0:rdx]
            forall true
            """;
}
