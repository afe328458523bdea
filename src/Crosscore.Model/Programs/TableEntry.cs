namespace Crosscore.Model.Programs;

/// <summary>
/// An entry of a translation table as a number: a page descriptor of the last level (Arm ARM D8.3), of which only the
/// fields that are modeled can be other than zero.
/// </summary>
internal static class TableEntry
{
    /// <summary>Bytes of a page: what one entry translates.</summary>
    public const ulong PageSize = 4096;

    /// <summary>The entry translates; without it every access faults, and no TLB may hold it.</summary>
    public const ulong Valid = 3;

    /// <summary>Unprivileged code may access the page: AP[1].</summary>
    public const ulong Unprivileged = 1 << 6;

    /// <summary>The page cannot be written: AP[2].</summary>
    public const ulong ReadOnly = 1 << 7;

    /// <summary>
    /// The page was accessed before (AF); without it every access faults, and no TLB may hold the entry.
    /// </summary>
    public const ulong Accessed = 1 << 10;

    /// <summary>Hardware that manages the dirty state may make the page writable: DBM.</summary>
    public const ulong DirtyModifier = 1UL << 51;

    private const ulong AddressMask = 0x0000_FFFF_FFFF_F000;

    /// <summary>The first address of a page.</summary>
    /// <param name="address">An address in it.</param>
    public static ulong PageOf(ulong address) => address & ~(PageSize - 1);

    /// <summary>
    /// The entry of a page that has none in the program: everybody may access it, at the address that it has.
    /// </summary>
    /// <param name="address">An address in the page.</param>
    public static ulong Identity(ulong address) => (address & AddressMask) | Valid | Accessed | Unprivileged;

    /// <summary>Whether a TLB may hold an entry.</summary>
    /// <param name="entry">The entry.</param>
    public static bool IsCacheable(ulong entry) => (entry & Valid) == Valid && (entry & Accessed) != 0;

    /// <summary>Where an access goes.</summary>
    /// <param name="entry">The entry of its page.</param>
    /// <param name="address">Its virtual address.</param>
    public static ulong Translate(ulong entry, ulong address) => (entry & AddressMask) | (address & (PageSize - 1));
}
