namespace Crosscore.PerCpu.Advanced;

/// <summary>
/// A 64-bit value inside a section that is being written: an argument, or what a step made. Usable with the builder
/// that it comes from.
/// </summary>
public readonly record struct SectionValue
{
    internal SectionValue(SectionBuilder builder, int number)
    {
        Builder = builder;
        Number = number;
    }

    internal SectionBuilder? Builder { get; }

    internal int Number { get; }
}
