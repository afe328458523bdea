namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Names the instruction set of a test. What a name stands for is in one table, <c>Isa/InstructionSets.cs</c>.
/// </summary>
internal enum Architecture
{
#pragma warning disable CS1591 // the names are the architectures'
    X86_64,
    AArch64,
#pragma warning restore CS1591
}
