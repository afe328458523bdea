namespace Crosscore.Isa;

/// <summary>The general-purpose registers by their numbers in x86-64 encodings.</summary>
internal enum Gpr
{
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
}

/// <summary>A place in the code that jumps name before it is known.</summary>
internal sealed class X86_64Label
{
    public int Position { get; set; }
}

/// <summary>The conditions of Jcc, by their numbers in the opcode.</summary>
internal enum X86_64Condition
{
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    Above = 7,
    Greater = 15,
}
