using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>What a mnemonic means.</summary>
/// <param name="Name">In capitals.</param>
/// <param name="Opcode">What it does.</param>
internal sealed record AArch64Mnemonic(string Name, AArch64Opcode Opcode)
{
    // Those that are no part of a family of names.
    private static readonly AArch64Mnemonic[] Single =
    [
        new("NOP", AArch64Opcode.Nop),
        new("YIELD", AArch64Opcode.Nop),
        new("SEV", AArch64Opcode.Nop),
        new("SEVL", AArch64Opcode.Nop),
        new("WFE", AArch64Opcode.Nop),
        new("BTI", AArch64Opcode.Nop),
        new("WFI", AArch64Opcode.Nop),
        new("PRFM", AArch64Opcode.Nop),
        new("MOV", AArch64Opcode.Move),
        new("MOVZ", AArch64Opcode.Move),
        new("MOVN", AArch64Opcode.Move) { Function = AArch64Function.Orn },
        new("MVN", AArch64Opcode.Move) { Function = AArch64Function.Orn },
        new("NEG", AArch64Opcode.Move) { Function = AArch64Function.Sub },
        new("MOVK", AArch64Opcode.MoveKeep),
        new("CMP", AArch64Opcode.Compare) { Function = AArch64Function.Sub, SetsFlags = true },
        new("CMN", AArch64Opcode.Compare) { Function = AArch64Function.Add, SetsFlags = true },
        new("TST", AArch64Opcode.Compare) { Function = AArch64Function.And, SetsFlags = true },
        new("CSEL", AArch64Opcode.Select),
        new("CSINC", AArch64Opcode.Select) { Function = AArch64Function.Add },
        new("CSINV", AArch64Opcode.Select) { Function = AArch64Function.Orn },
        new("CSNEG", AArch64Opcode.Select) { Function = AArch64Function.Sub },
        new("CSET", AArch64Opcode.Select) { Function = AArch64Function.Add },
        new("CSETM", AArch64Opcode.Select) { Function = AArch64Function.Orn },
        new("CINC", AArch64Opcode.Select) { Function = AArch64Function.Add },
        new("CINV", AArch64Opcode.Select) { Function = AArch64Function.Orn },
        new("CNEG", AArch64Opcode.Select) { Function = AArch64Function.Sub },
        new("ADR", AArch64Opcode.Address),
        new("ADRP", AArch64Opcode.Address),
        new("SXTB", AArch64Opcode.Extend) { AccessWidth = 1, IsSigned = true },
        new("SXTH", AArch64Opcode.Extend) { AccessWidth = 2, IsSigned = true },
        new("SXTW", AArch64Opcode.Extend) { AccessWidth = 4, IsSigned = true },
        new("UXTB", AArch64Opcode.Extend) { AccessWidth = 1 },
        new("UXTH", AArch64Opcode.Extend) { AccessWidth = 2 },
        new("UXTW", AArch64Opcode.Extend) { AccessWidth = 4 },
        new("B", AArch64Opcode.Branch),
        new("BL", AArch64Opcode.BranchLink),
        new("BR", AArch64Opcode.BranchRegister),
        new("BLR", AArch64Opcode.BranchLinkRegister),
        new("RET", AArch64Opcode.Return),
        new("CBZ", AArch64Opcode.CompareAndBranch) { Condition = AArch64Condition.Eq },
        new("CBNZ", AArch64Opcode.CompareAndBranch) { Condition = AArch64Condition.Ne },
        new("TBZ", AArch64Opcode.TestAndBranch) { Condition = AArch64Condition.Eq },
        new("TBNZ", AArch64Opcode.TestAndBranch) { Condition = AArch64Condition.Ne },
        new("DMB", AArch64Opcode.Barrier) { Fence = FenceKind.Full },
        new("DSB", AArch64Opcode.Barrier) { Fence = FenceKind.FullCompletion },
        new("ISB", AArch64Opcode.Barrier) { Fence = FenceKind.Context },
        new("DC", AArch64Opcode.CleanCode),
        new("IC", AArch64Opcode.InvalidateCode),
        new("TLBI", AArch64Opcode.InvalidateTranslation),
        new("MRS", AArch64Opcode.ReadSystem),
        new("MSR", AArch64Opcode.WriteSystem),
        new("SVC", AArch64Opcode.SupervisorCall),
        new("ERET", AArch64Opcode.ExceptionReturn),
        new("UDF", AArch64Opcode.Undefined),
        new("MEMBARRIER", AArch64Opcode.Membarrier),
        new("SYSCALL", AArch64Opcode.Syscall),
        new("LDP", AArch64Opcode.LoadPair),
        new("LDNP", AArch64Opcode.LoadPair),
        new("LDIAPP", AArch64Opcode.LoadPair) { LoadOrder = AccessOrder.AcquirePc },
        new("STP", AArch64Opcode.StorePair),
        new("STNP", AArch64Opcode.StorePair),
        new("STILP", AArch64Opcode.StorePair) { StoreOrder = AccessOrder.Release },
        new("LDRSW", AArch64Opcode.Load) { AccessWidth = 4, IsSigned = true },
        new("LDURSW", AArch64Opcode.Load) { AccessWidth = 4, IsSigned = true },
        new("LDPSW", AArch64Opcode.LoadPair) { AccessWidth = 4, IsSigned = true },
    ];

    private static readonly Dictionary<string, AArch64Mnemonic> Known = Build();

    /// <summary>Gets what it computes.</summary>
    public AArch64Function Function { get; init; }

    /// <summary>Whether it sets the condition flags.</summary>
    public bool SetsFlags { get; init; }

    /// <summary>Gets the bytes of memory accessed; 0 for as many as the register has.</summary>
    public int AccessWidth { get; init; }

    /// <summary>Whether what is loaded is sign-extended.</summary>
    public bool IsSigned { get; init; }

    /// <summary>Gets the order of its load.</summary>
    public AccessOrder LoadOrder { get; init; }

    /// <summary>Gets the order of its store.</summary>
    public AccessOrder StoreOrder { get; init; }

    /// <summary>Gets what kind of fence it is.</summary>
    public FenceKind Fence { get; init; }

    /// <summary>Gets the condition in its name, as of <c>B.EQ</c>.</summary>
    public AArch64Condition Condition { get; init; }

    /// <summary>Looks a mnemonic up.</summary>
    /// <param name="name">In any case.</param>
    public static AArch64Mnemonic? Find(string name) => Known.GetValueOrDefault(name.ToUpperInvariant());

    /// <summary>Looks a condition up; the alternative names HS and LO are known.</summary>
    /// <param name="name">In any case.</param>
    public static AArch64Condition? FindCondition(string name) =>
        name.ToUpperInvariant() switch
        {
            "HS" => AArch64Condition.Cs,
            "LO" => AArch64Condition.Cc,
            _ => Enum.TryParse(name, ignoreCase: true, out AArch64Condition condition)
            && Enum.IsDefined(condition)
            && !char.IsDigit(name[0])
                ? condition
                : null,
        };

    private static Dictionary<string, AArch64Mnemonic> Build()
    {
        List<AArch64Mnemonic> all = [.. Single];
        foreach (
            AArch64Function function in Enum.GetValues<AArch64Function>()
                .Where(function => function is > AArch64Function.None and < AArch64Function.Clr)
        )
        {
            all.Add(
                new AArch64Mnemonic(function.ToString().ToUpperInvariant(), AArch64Opcode.Compute)
                {
                    Function = function,
                }
            );
            if (function is AArch64Function.Add or AArch64Function.Sub or AArch64Function.And or AArch64Function.Bic)
            {
                all.Add(all[^1] with { Name = all[^1].Name + "S", SetsFlags = true });
            }
        }

        foreach (AArch64Condition condition in Enum.GetValues<AArch64Condition>())
        {
            all.Add(
                new AArch64Mnemonic("B." + condition.ToString().ToUpperInvariant(), AArch64Opcode.BranchIf)
                {
                    Condition = condition,
                }
            );
        }

        all.Add(new AArch64Mnemonic("B.HS", AArch64Opcode.BranchIf) { Condition = AArch64Condition.Cs });
        all.Add(new AArch64Mnemonic("B.LO", AArch64Opcode.BranchIf) { Condition = AArch64Condition.Cc });
        foreach ((string suffix, int width) in (ReadOnlySpan<(string, int)>)[("", 0), ("B", 1), ("H", 2)])
        {
            AddAccesses(all, suffix, width);
            AddAtomics(all, suffix, width);
        }

        return all.ToDictionary(mnemonic => mnemonic.Name);
    }

    private static void AddAccesses(List<AArch64Mnemonic> all, string suffix, int width)
    {
        void Load(string name, AccessOrder order = AccessOrder.Plain) =>
            all.Add(new AArch64Mnemonic(name + suffix, AArch64Opcode.Load) { AccessWidth = width, LoadOrder = order });
        void Store(string name, AccessOrder order = AccessOrder.Plain) =>
            all.Add(
                new AArch64Mnemonic(name + suffix, AArch64Opcode.Store) { AccessWidth = width, StoreOrder = order }
            );
        Load("LDR");
        Load("LDUR");
        Load("LDAR", AccessOrder.Acquire);
        Load("LDAPR", AccessOrder.AcquirePc);
        Load("LDAPUR", AccessOrder.AcquirePc);
        Load("LDXR", AccessOrder.Exclusive);
        Load("LDAXR", AccessOrder.Exclusive | AccessOrder.Acquire);
        Store("STR");
        Store("STUR");
        Store("STLR", AccessOrder.Release);
        Store("STLUR", AccessOrder.Release);
        foreach (
            (string name, AccessOrder order) in (ReadOnlySpan<(string, AccessOrder)>)
                [("STXR", AccessOrder.Exclusive), ("STLXR", AccessOrder.Exclusive | AccessOrder.Release)]
        )
        {
            all.Add(
                new AArch64Mnemonic(name + suffix, AArch64Opcode.StoreExclusive)
                {
                    AccessWidth = width,
                    StoreOrder = order,
                }
            );
        }

        if (width != 0)
        {
            all.Add(new AArch64Mnemonic("LDRS" + suffix, AArch64Opcode.Load) { AccessWidth = width, IsSigned = true });
            all.Add(new AArch64Mnemonic("LDURS" + suffix, AArch64Opcode.Load) { AccessWidth = width, IsSigned = true });
        }
    }

    private static void AddAtomics(List<AArch64Mnemonic> all, string suffix, int width)
    {
        foreach (string order in (string[])["", "A", "L", "AL"])
        {
            bool acquires = order.StartsWith('A');
            bool releases = order.EndsWith('L');
            AArch64Mnemonic Make(string name, AArch64Opcode opcode, AArch64Function function = AArch64Function.None) =>
                new(name + order + suffix, opcode)
                {
                    AccessWidth = width,
                    Function = function,
                    LoadOrder = AccessOrder.Atomic | (acquires ? AccessOrder.Acquire : AccessOrder.Plain),
                    StoreOrder =
                        AccessOrder.Atomic
                        | (releases ? AccessOrder.Release : AccessOrder.Plain)
                        | (acquires && releases ? AccessOrder.OrdersLater : AccessOrder.Plain),
                };
            all.Add(Make("CAS", AArch64Opcode.CompareAndSwap));
            all.Add(Make("SWP", AArch64Opcode.Swap));
            foreach (
                AArch64Function function in (AArch64Function[])
                    [
                        AArch64Function.Add,
                        AArch64Function.Clr,
                        AArch64Function.Eor,
                        AArch64Function.Set,
                        AArch64Function.Smax,
                        AArch64Function.Smin,
                        AArch64Function.Umax,
                        AArch64Function.Umin,
                    ]
            )
            {
                string name = function.ToString().ToUpperInvariant();
                all.Add(Make("LD" + name, AArch64Opcode.LoadAndModify, function));
                if (!acquires)
                {
                    all.Add(Make("ST" + name, AArch64Opcode.StoreModified, function));
                }
            }
        }
    }
}
