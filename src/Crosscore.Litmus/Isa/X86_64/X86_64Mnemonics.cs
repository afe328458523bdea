namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>The names of instructions and conditions in AT&amp;T syntax.</summary>
internal static class X86_64Mnemonics
{
    public static readonly Dictionary<string, X86_64Opcode> Sized = new()
    {
        ["mov"] = X86_64Opcode.Mov,
        ["lea"] = X86_64Opcode.Lea,
        ["xchg"] = X86_64Opcode.Xchg,
        ["xadd"] = X86_64Opcode.Xadd,
        ["cmpxchg"] = X86_64Opcode.Cmpxchg,
        ["add"] = X86_64Opcode.Add,
        ["sub"] = X86_64Opcode.Sub,
        ["and"] = X86_64Opcode.And,
        ["or"] = X86_64Opcode.Or,
        ["xor"] = X86_64Opcode.Xor,
        ["cmp"] = X86_64Opcode.Cmp,
        ["test"] = X86_64Opcode.Test,
        ["inc"] = X86_64Opcode.Inc,
        ["dec"] = X86_64Opcode.Dec,
        ["neg"] = X86_64Opcode.Neg,
        ["not"] = X86_64Opcode.Not,
        ["shl"] = X86_64Opcode.Shl,
        ["sal"] = X86_64Opcode.Shl,
        ["shr"] = X86_64Opcode.Shr,
        ["sar"] = X86_64Opcode.Sar,
        ["nop"] = X86_64Opcode.Nop,
    };

    public static readonly Dictionary<string, X86_64Opcode> Bare = new()
    {
        ["mfence"] = X86_64Opcode.Mfence,
        ["sfence"] = X86_64Opcode.Sfence,
        ["lfence"] = X86_64Opcode.Lfence,
        ["cpuid"] = X86_64Opcode.Serialize,
        ["serialize"] = X86_64Opcode.Serialize,
        ["iretq"] = X86_64Opcode.Serialize,
        ["pause"] = X86_64Opcode.Pause,
        ["endbr64"] = X86_64Opcode.Nop,
        ["ret"] = X86_64Opcode.Ret,
        ["retq"] = X86_64Opcode.Ret,
    };

    public static readonly Dictionary<string, X86_64Condition> Conditions = new()
    {
        ["o"] = X86_64Condition.O,
        ["no"] = X86_64Condition.No,
        ["b"] = X86_64Condition.B,
        ["c"] = X86_64Condition.B,
        ["nae"] = X86_64Condition.B,
        ["ae"] = X86_64Condition.Ae,
        ["nb"] = X86_64Condition.Ae,
        ["nc"] = X86_64Condition.Ae,
        ["e"] = X86_64Condition.E,
        ["z"] = X86_64Condition.E,
        ["ne"] = X86_64Condition.Ne,
        ["nz"] = X86_64Condition.Ne,
        ["be"] = X86_64Condition.Be,
        ["na"] = X86_64Condition.Be,
        ["a"] = X86_64Condition.A,
        ["nbe"] = X86_64Condition.A,
        ["s"] = X86_64Condition.S,
        ["ns"] = X86_64Condition.Ns,
        ["l"] = X86_64Condition.L,
        ["lt"] = X86_64Condition.L,
        ["nge"] = X86_64Condition.L,
        ["ge"] = X86_64Condition.Ge,
        ["nl"] = X86_64Condition.Ge,
        ["le"] = X86_64Condition.Le,
        ["ng"] = X86_64Condition.Le,
        ["g"] = X86_64Condition.G,
        ["gt"] = X86_64Condition.G,
        ["nle"] = X86_64Condition.G,
    };

    // The lock prefix takes these, with a memory destination; with anything else the processor faults (Intel SDM vol.
    // 2, LOCK).
    public static readonly IReadOnlySet<X86_64Opcode> Lockable = new HashSet<X86_64Opcode>
    {
        X86_64Opcode.Add,
        X86_64Opcode.And,
        X86_64Opcode.Cmpxchg,
        X86_64Opcode.Dec,
        X86_64Opcode.Inc,
        X86_64Opcode.Neg,
        X86_64Opcode.Not,
        X86_64Opcode.Or,
        X86_64Opcode.Sub,
        X86_64Opcode.Xor,
        X86_64Opcode.Xadd,
        X86_64Opcode.Xchg,
    };
}
