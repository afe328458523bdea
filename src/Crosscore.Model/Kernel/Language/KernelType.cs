namespace Crosscore.Model.Kernel.Language;

/// <summary>What a value of a kernel design is. In memory and registers all are small integers.</summary>
public enum KernelType
{
    /// <summary>No value.</summary>
    Void,

    /// <summary>0 or 1.</summary>
    Bool,

    /// <summary>A signed integer.</summary>
    Int,

    /// <summary>The number of a CPU.</summary>
    Cpu,

    /// <summary>The number of a task plus one, or 0 for none.</summary>
    Task,

    /// <summary>The number of an address space plus one, or 0 for none.</summary>
    Mm,

    /// <summary>A set of CPUs, as a bit mask.</summary>
    Cpus,

    /// <summary>1 while a task holds it.</summary>
    Lock,

    /// <summary>A word that only the machine reads; only options have it.</summary>
    Word,

    /// <summary>The literal <c>none</c>, which is a task or an address space as needed.</summary>
    None,
}
