using System.Globalization;

namespace Crosscore.Litmus.Syntax;

/// <summary>Writes numbers of things in messages.</summary>
internal static class Plural
{
    /// <summary>Formats a number with its noun: <c>1 element</c>, <c>2 elements</c>.</summary>
    /// <param name="count">The number.</param>
    /// <param name="noun">The noun, in the singular; its plural adds an s.</param>
    public static string Of(int count, string noun) =>
        $"{count.ToString(CultureInfo.InvariantCulture)} {noun}{(count == 1 ? "" : "s")}";
}
