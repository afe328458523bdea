using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Parsing;

/// <summary>A location or register as written; <c>Element</c> is -1 where none was named.</summary>
internal sealed record WrittenPlace(
    int Thread,
    TestRegister Register,
    string? Variable,
    int Element,
    SourcePosition Position
);

internal abstract record Raw;

internal sealed record RawAll(List<Raw> Parts) : Raw;

internal sealed record RawAny(List<Raw> Parts) : Raw;

internal sealed record RawNot(Raw Part) : Raw;

internal sealed record RawImplies(Raw Left, Raw Right) : Raw;

internal sealed record RawValue(WrittenPlace Left, InitialValue Value, SourcePosition Position) : Raw;

internal sealed record RawElements(WrittenPlace Left, List<InitialValue> Values, SourcePosition Position) : Raw;

internal sealed record RawSame(WrittenPlace Left, WrittenPlace Right) : Raw;
