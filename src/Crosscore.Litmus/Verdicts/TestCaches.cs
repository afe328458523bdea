using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Verdicts;

/// <summary>
/// What a test says of the caches that it is for, as herd reads it: <c>CacheType=DIC IDC</c> in the header.
/// </summary>
internal static class TestCaches
{
    private const string Key = "CacheType";

    /// <summary>Gets the caches; without the line, those that do nothing by themselves.</summary>
    /// <exception cref="LitmusException">The line names something else.</exception>
    public static CacheType Of(LitmusTest test)
    {
        CacheType caches = CacheType.None;
        foreach (
            string word in test
                .Properties.GetValueOrDefault(Key, "")
                .Split([' ', ','], StringSplitOptions.RemoveEmptyEntries)
        )
        {
            caches |= word.ToUpperInvariant() switch
            {
                "DIC" => CacheType.Dic,
                "IDC" => CacheType.Idc,
                _ => throw new LitmusException(
                    test.File,
                    test.PropertyPositions[Key],
                    $"found the cache type '{word}', expected DIC, IDC or both"
                ),
            };
        }

        return caches;
    }
}
