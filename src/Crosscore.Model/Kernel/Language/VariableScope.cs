namespace Crosscore.Model.Kernel.Language;

/// <summary>What there is one of a variable for.</summary>
internal enum VariableScope
{
    Global,
    PerCpu,
    Task,
    Mm,

    /// <summary>A register of each CPU, which is not memory.</summary>
    Register,
}
