namespace Crosscore.Model.Kernel.Language;

/// <summary>What is lost when a labeled call is left out; the strongest first.</summary>
public enum KernelLabelKind
{
    /// <summary>A core-serializing event.</summary>
    Serialization,

    /// <summary>A restart of a per-CPU section.</summary>
    Restart,

    /// <summary>An interrupt of other CPUs.</summary>
    Interrupt,

    /// <summary>A full memory barrier.</summary>
    Barrier,

    /// <summary>A call of something else.</summary>
    Call,
}

/// <summary>A label: a name under which something can be left out.</summary>
/// <param name="Name">The routine that it stands in, a dot, and the label.</param>
/// <param name="Kind">What is lost without it.</param>
/// <param name="Line">Where it stands; an index into <see cref="KernelDesign.SourceLines"/>.</param>
public sealed record KernelLabel(string Name, KernelLabelKind Kind, int Line);

/// <summary>A system call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">The types of what it is given.</param>
public sealed record KernelSyscall(string Name, IReadOnlyList<KernelType> Parameters);

/// <summary>An option with the value it has.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">What values it can have.</param>
/// <param name="Value">Its value, as it is written in a design.</param>
public sealed record KernelOption(string Name, KernelType Type, string Value);

/// <summary>A variable in memory.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Index">What there is one of it for: a CPU, a task, an address space; <see cref="KernelType.Void"/> when
/// there is only one.</param>
/// <param name="Type">What its values are.</param>
public sealed record KernelVariable(string Name, KernelType Index, KernelType Type);

/// <summary>A line of a design, for timelines.</summary>
/// <param name="File">The file as the user named it.</param>
/// <param name="Number">The line, from 1.</param>
/// <param name="Text">What it says, without the white space around it.</param>
public sealed record KernelSourceLine(string File, int Number, string Text);
