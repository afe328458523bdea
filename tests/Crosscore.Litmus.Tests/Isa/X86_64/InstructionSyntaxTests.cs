using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Syntax;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

/// <summary>Instructions in AT&amp;T syntax with herd's liberties.</summary>
public class InstructionSyntaxTests
{
    [Theory]
    [InlineData("movb $1,(x)", X86_64Opcode.Mov, 1)]
    [InlineData("movw $1,(x)", X86_64Opcode.Mov, 2)]
    [InlineData("movl $1,(x)", X86_64Opcode.Mov, 4)]
    [InlineData("movq $1,(x)", X86_64Opcode.Mov, 8)]
    [InlineData("MOVQ $1,(x)", X86_64Opcode.Mov, 8)]
    [InlineData("mov %eax,(x)", X86_64Opcode.Mov, 4)]
    [InlineData("mov (x),%r9w", X86_64Opcode.Mov, 2)]
    [InlineData("mov $1,%dil", X86_64Opcode.Mov, 1)]
    [InlineData("movabsq $0x1122334455667788,%rax", X86_64Opcode.Mov, 8)]
    [InlineData("movq $-1,%rax", X86_64Opcode.Mov, 8)]
    [InlineData("leaq (x),%rax", X86_64Opcode.Lea, 8)]
    [InlineData("lea 8(%rax,%rbx,4),%ecx", X86_64Opcode.Lea, 4)]
    [InlineData("addl %eax,(x)", X86_64Opcode.Add, 4)]
    [InlineData("sub $1,%rax", X86_64Opcode.Sub, 8)]
    [InlineData("andb $1,%al", X86_64Opcode.And, 1)]
    [InlineData("orw (x),%ax", X86_64Opcode.Or, 2)]
    [InlineData("xorl %eax,%eax", X86_64Opcode.Xor, 4)]
    [InlineData("cmpl $1,%eax", X86_64Opcode.Cmp, 4)]
    [InlineData("testl %eax,%eax", X86_64Opcode.Test, 4)]
    [InlineData("incl (x)", X86_64Opcode.Inc, 4)]
    [InlineData("dec %rax", X86_64Opcode.Dec, 8)]
    [InlineData("negb (x)", X86_64Opcode.Neg, 1)]
    [InlineData("notq %rax", X86_64Opcode.Not, 8)]
    [InlineData("not %eax", X86_64Opcode.Not, 4)]
    [InlineData("shll $3,%eax", X86_64Opcode.Shl, 4)]
    [InlineData("sall $3,%eax", X86_64Opcode.Shl, 4)]
    [InlineData("shrl %cl,(x)", X86_64Opcode.Shr, 4)]
    [InlineData("sarw $1,%ax", X86_64Opcode.Sar, 2)]
    [InlineData("movzbl (x),%eax", X86_64Opcode.Movzx, 4)]
    [InlineData("movzwq %ax,%rbx", X86_64Opcode.Movzx, 8)]
    [InlineData("movzb (x),%ax", X86_64Opcode.Movzx, 2)]
    [InlineData("movslq (x),%rax", X86_64Opcode.Movsx, 8)]
    [InlineData("movsbw %al,%bx", X86_64Opcode.Movsx, 2)]
    [InlineData("sete %al", X86_64Opcode.Set, 1)]
    [InlineData("setnbe (x)", X86_64Opcode.Set, 1)]
    [InlineData("cmovel (x),%eax", X86_64Opcode.Cmov, 4)]
    [InlineData("cmovge %rax,%rbx", X86_64Opcode.Cmov, 8)]
    [InlineData("cmovll %eax,%ebx", X86_64Opcode.Cmov, 4)]
    [InlineData("mfence", X86_64Opcode.Mfence, 0)]
    [InlineData("sfence", X86_64Opcode.Sfence, 0)]
    [InlineData("lfence", X86_64Opcode.Lfence, 0)]
    [InlineData("pause", X86_64Opcode.Pause, 0)]
    [InlineData("nop", X86_64Opcode.Nop, 0)]
    [InlineData("nopw %cs:0(%rax,%rax,1)", X86_64Opcode.Nop, 0)]
    [InlineData("ret", X86_64Opcode.Ret, 0)]
    [InlineData("endbr64", X86_64Opcode.Nop, 0)]
    [InlineData("jmp L", X86_64Opcode.Jmp, 0)]
    [InlineData("jne L", X86_64Opcode.Jcc, 0)]
    public void An_instruction_has_its_opcode_and_width(string text, X86_64Opcode opcode, int width)
    {
        X86_64Instruction instruction = LitmusText.Instruction(text);
        Assert.Equal((opcode, width, text), (instruction.Opcode, instruction.Width, instruction.Text));
        Assert.False(instruction.Lock);
        Assert.Equal(new SourcePosition(4, 1), instruction.Position);
    }

    [Theory]
    [InlineData("movzbl (x),%eax", 1)]
    [InlineData("movzwq %ax,%rbx", 2)]
    [InlineData("movslq (x),%rax", 4)]
    [InlineData("movl (x),%eax", 4)]
    public void An_extension_reads_fewer_bytes_than_it_writes(string text, int source) =>
        Assert.Equal(source, LitmusText.Instruction(text).SourceWidth);

    [Theory]
    [InlineData("lock; incl (x)", X86_64Opcode.Inc)]
    [InlineData("lock incl (x)", X86_64Opcode.Inc)]
    [InlineData("lock ;\n addl $1,(x)", X86_64Opcode.Add)]
    [InlineData("LOCK; cmpxchgl %ebx,(x)", X86_64Opcode.Cmpxchg)]
    [InlineData("lock; xaddq %rax,(x)", X86_64Opcode.Xadd)]
    [InlineData("lock; negl (x)", X86_64Opcode.Neg)]
    [InlineData("lock; notl (x)", X86_64Opcode.Not)]
    [InlineData("lock; xchgl %eax,(x)", X86_64Opcode.Xchg)]
    [InlineData("lock; decw 2(x)", X86_64Opcode.Dec)]
    public void A_lock_prefix_belongs_to_the_next_instruction_even_across_a_semicolon(string text, X86_64Opcode opcode)
    {
        X86_64Instruction instruction = LitmusText.Instruction(text);
        Assert.Equal(opcode, instruction.Opcode);
        Assert.True(instruction.Lock && instruction.IsAtomic);
        Assert.StartsWith("lock; ", instruction.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_lock_prefix_in_one_column_leaves_the_other_columns_where_they_are()
    {
        LitmusTest test = LitmusText.Parse(
            "X86_64 T\n{ }\nP0 | P1 ;\nlock; incl (x) | lock; decl (y) ;\nmfence | nop ;\nforall true"
        );
        Assert.Equal(
            ["lock; incl (x)", "mfence"],
            test.Threads[0].InstructionsAs<X86_64Instruction>().Select(instruction => instruction.Text)
        );
        Assert.Equal(
            ["lock; decl (y)", "nop"],
            test.Threads[1].InstructionsAs<X86_64Instruction>().Select(instruction => instruction.Text)
        );
    }

    [Theory]
    [InlineData("xchgl %eax,(x)", "xchgl (x),%eax")]
    [InlineData("cmpxchgl %ebx,(x)", "cmpxchgl (x),%ebx")]
    [InlineData("lock; xaddl %ebx,(x)", "lock; xaddl (x),%ebx")]
    public void An_exchange_may_name_its_memory_first_or_last(string last, string first)
    {
        X86_64Instruction one = LitmusText.Instruction(last);
        X86_64Instruction other = LitmusText.Instruction(first);
        Assert.Equal(one.Operands, other.Operands);
        Assert.IsType<X86_64MemoryOperand>(other.Operands[1]);
    }

    [Fact]
    public void An_exchange_with_memory_is_atomic_without_a_prefix_and_one_of_registers_is_not()
    {
        Assert.True(LitmusText.Instruction("xchgl %eax,(x)").IsAtomic);
        Assert.False(LitmusText.Instruction("xchgl %eax,%ebx").IsAtomic);
        Assert.False(LitmusText.Instruction("incl (x)").IsAtomic);
    }

    [Theory]
    [InlineData("movl %eax,(x)", "movl eax,(x)")]
    [InlineData("movl $5,(x)", "movl 5,(x)")]
    [InlineData("movl $0x10,(x)", "movl $16,(x)")]
    [InlineData("movl $-1,(x)", "movl $-0x1,(x)")]
    [InlineData("movl (x),%eax", "movl [x],%eax")]
    [InlineData("movl (x),%eax", "movl x(%rip),%eax")]
    [InlineData("movl (%rsi),%eax", "movl [rsi],eax")]
    [InlineData("movl (%rsi),%eax", "movl 0(%rsi),%EAX")]
    [InlineData("movl %eax,(x)", "movl %rax,(x)")]
    [InlineData("movl 4(%rsi),%eax", "movl 0x4(rsi),eax")]
    public void Two_spellings_are_one_operand(string canonical, string other) =>
        Assert.Equal(LitmusText.Instruction(canonical).Operands, LitmusText.Instruction(other).Operands);

    [Fact]
    public void An_address_has_base_index_scale_and_displacement()
    {
        X86_64MemoryOperand memory = LitmusText.Instruction("movl -8(%rsi,%rdi,4),%eax").Memory!;
        Assert.Equal(new X86_64MemoryOperand(null, -8, X86_64Register.Rsi, X86_64Register.Rdi, 4), memory);
        Assert.Equal(new X86_64MemoryOperand("x", 2, null, null, 1), LitmusText.Instruction("movb 2(x),%al").Memory);
        Assert.Equal(
            new X86_64MemoryOperand(null, 0, null, X86_64Register.Rdi, 8),
            LitmusText.Instruction("movl (,%rdi,8),%eax").Memory
        );
        Assert.Equal(new X86_64AddressOperand("x"), LitmusText.Instruction("movq $x,%rax").Operands[0]);
    }

    [Theory]
    [InlineData("rax rcx rdx rbx rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15", 8)]
    [InlineData("eax ecx edx ebx ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d", 4)]
    [InlineData("ax cx dx bx bp si di r8w r9w r10w r11w r12w r13w r14w r15w", 2)]
    [InlineData("al cl dl bl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b", 1)]
    public void Every_register_has_a_name_for_each_width(string names, int width)
    {
        X86_64Register[] expected =
        [
            .. Enum.GetValues<X86_64Register>().Where(register => register != X86_64Register.Rsp),
        ];
        X86_64RegisterOperand[] found =
        [
            .. names
                .Split(' ')
                .Select(name => (X86_64RegisterOperand)LitmusText.Instruction($"mov $1,%{name}").Operands[1]),
        ];
        Assert.Equal(expected.Select(register => new X86_64RegisterOperand(register, width)), found);
    }

    [Theory]
    [InlineData("o", X86_64Condition.O)]
    [InlineData("no", X86_64Condition.No)]
    [InlineData("b c nae", X86_64Condition.B)]
    [InlineData("ae nb nc", X86_64Condition.Ae)]
    [InlineData("e z", X86_64Condition.E)]
    [InlineData("ne nz", X86_64Condition.Ne)]
    [InlineData("be na", X86_64Condition.Be)]
    [InlineData("a nbe", X86_64Condition.A)]
    [InlineData("s", X86_64Condition.S)]
    [InlineData("ns", X86_64Condition.Ns)]
    [InlineData("l nge", X86_64Condition.L)]
    [InlineData("ge nl", X86_64Condition.Ge)]
    [InlineData("le ng", X86_64Condition.Le)]
    [InlineData("g nle", X86_64Condition.G)]
    public void Conditions_have_their_other_names(string names, X86_64Condition condition)
    {
        foreach (string name in names.Split(' '))
        {
            Assert.Equal(condition, LitmusText.Instruction($"j{name} L").Condition);
            Assert.Equal(condition, LitmusText.Instruction($"set{name} %al").Condition);
            Assert.Equal(condition, LitmusText.Instruction($"cmov{name} %eax,%ebx").Condition);
            Assert.Equal(
                (condition, 2),
                (
                    LitmusText.Instruction($"cmov{name}w %ax,%bx").Condition,
                    LitmusText.Instruction($"cmov{name}w %ax,%bx").Width
                )
            );
        }
    }

    [Theory]
    [InlineData("global", MembarrierCommand.Global)]
    [InlineData("GLOBAL", MembarrierCommand.Global)]
    [InlineData("MEMBARRIER_CMD_GLOBAL", MembarrierCommand.Global)]
    [InlineData("global_expedited", MembarrierCommand.GlobalExpedited)]
    [InlineData("MEMBARRIER_CMD_GLOBAL_EXPEDITED", MembarrierCommand.GlobalExpedited)]
    [InlineData("private_expedited", MembarrierCommand.PrivateExpedited)]
    [InlineData("Private_Expedited", MembarrierCommand.PrivateExpedited)]
    [InlineData("membarrier_cmd_private_expedited", MembarrierCommand.PrivateExpedited)]
    [InlineData("private_expedited_sync_core", MembarrierCommand.PrivateExpeditedSyncCore)]
    [InlineData("MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE", MembarrierCommand.PrivateExpeditedSyncCore)]
    [InlineData("private_expedited_rseq", MembarrierCommand.PrivateExpeditedRseq)]
    [InlineData("MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ", MembarrierCommand.PrivateExpeditedRseq)]
    public void Membarrier_takes_the_kernels_names_with_or_without_their_prefix(string name, MembarrierCommand command)
    {
        Assert.Equal(command, LitmusText.Instruction($"membarrier {name}").Command);
        Assert.Equal(X86_64Opcode.Membarrier, LitmusText.Instruction($"MEMBARRIER {name}").Opcode);
    }

    [Fact]
    public void Labels_stand_before_instructions_alone_and_at_the_end()
    {
        LitmusThread thread = LitmusText
            .Parse("X86_64 T\n{ }\nP0 | P1 ;\nA: B: nop | nop ;\nC: | ;\njmp D | jmp A ;\nD: | A: ;\nforall true")
            .Threads[0];
        Assert.Equal(
            new Dictionary<string, int>
            {
                ["A"] = 0,
                ["B"] = 0,
                ["C"] = 1,
                ["D"] = 2,
            },
            thread.Labels.ToDictionary()
        );
        Assert.Equal("D", thread.InstructionsAs<X86_64Instruction>()[1].Target);
    }

    [Fact]
    public void Words_of_the_condition_are_instructions_and_labels_where_these_may_stand()
    {
        LitmusThread thread = LitmusText
            .Parse("X86_64 T\n{ }\nP0 ;\nnot %eax ;\nfinal: nop ;\njmp final ;\nnot exists (0:rax=0)")
            .Threads[0];
        Assert.Equal(
            ["not %eax", "nop", "jmp final"],
            thread.InstructionsAs<X86_64Instruction>().Select(instruction => instruction.Text)
        );
        Assert.Equal(1, thread.Labels["final"]);
    }
}
