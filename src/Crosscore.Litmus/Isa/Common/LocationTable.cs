using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>A location that a test has named, as far as it is known.</summary>
internal sealed class Location(string name, SourcePosition position)
{
    public string Name { get; } = name;

    public SourcePosition Position { get; } = position;

    public DataType? Type { get; set; }

    public bool IsArray { get; set; }

    public bool IsCode { get; set; }

    public bool IsUnmapped { get; set; }

    public string? Translates { get; init; }

    /// <summary>Whether the initial state has an entry for it.</summary>
    public bool IsDeclared { get; set; }

    public InitialValue[] Values { get; set; } = [default];

    public int WidestAccess { get; set; } = DataType.Int.Width;
}

/// <summary>
/// The locations that a test names, in the initial state or merely by using them. Their types are decided at the end: a
/// declared type counts; an undeclared location is an <c>int</c> or, when its initial value is an address or an
/// instruction names it directly with more bytes, as wide as that.
/// </summary>
internal sealed class LocationTable(LitmusScanner scanner, IInstructionSet instructionSet)
{
    private readonly Dictionary<string, Location> _locations = [];
    private readonly List<Location> _order = [];
    private readonly Dictionary<string, string> _aliases = [];
    private readonly List<(string Name, int Element, SourcePosition Position)> _addresses = [];
    private bool _isClosed;

    /// <summary>Gets the locations in the order of first mention.</summary>
    public IReadOnlyList<Location> InOrder => _order;

    /// <summary>Gets the other names of locations.</summary>
    public IReadOnlyDictionary<string, string> Aliases => _aliases;

    /// <summary>Gets the location that a name stands for.</summary>
    public string Resolve(string name) => _aliases.GetValueOrDefault(name, name);

    /// <summary>Whether a location was declared as code.</summary>
    public bool IsCode(string name) => _locations.TryGetValue(Resolve(name), out Location? location) && location.IsCode;

    /// <summary>Whether a name is known as a location already.</summary>
    public bool Knows(string name) => _locations.ContainsKey(name);

    /// <summary>Gets a known location, otherwise <see langword="null"/>.</summary>
    public Location? Known(string name) => _locations.GetValueOrDefault(name);

    /// <summary>Adds another name of a location.</summary>
    /// <returns>Whether the name was free.</returns>
    public bool TryAddAlias(string name, string original) => !Knows(name) && _aliases.TryAdd(name, original);

    /// <summary>
    /// Accepts no new locations from here on: one that only the question names would keep its initial value, and the
    /// condition would be about nothing. The entry of the page of a known location is known.
    /// </summary>
    public void Close() => _isClosed = true;

    /// <summary>Forgets locations that turned out to be other names of code.</summary>
    public void Remove(IReadOnlyCollection<string> names)
    {
        _order.RemoveAll(location => names.Contains(location.Name));
        _addresses.RemoveAll(used => names.Contains(used.Name));
        foreach (string name in names)
        {
            _locations.Remove(name);
        }
    }

    /// <summary>Notes that an instruction or the condition names a location.</summary>
    /// <param name="name">The location.</param>
    /// <param name="position">Where.</param>
    /// <param name="width">Bytes accessed there; 0 when only named.</param>
    public void Mention(string name, SourcePosition position, int width = 0)
    {
        Location location = Find(name, position);
        location.WidestAccess = Math.Max(location.WidestAccess, width);
    }

    /// <summary>Notes that the address of a location is used.</summary>
    public InitialValue AddressOf(string name, int element, SourcePosition position)
    {
        Find(name, position);
        _addresses.Add((name, element, position));
        return new InitialValue(0, name, element);
    }

    /// <summary>Finds a location, which this may be the first mention of.</summary>
    public Location Find(string name, SourcePosition position)
    {
        name = Resolve(name);
        if (!_locations.TryGetValue(name, out Location? location))
        {
            string? page = PageEntry.PageOf(name);
            if (_isClosed && (page is null || !_locations.ContainsKey(Resolve(page))))
            {
                throw scanner.Error(
                    position,
                    $"found '{page ?? name}', which neither the initial state nor an instruction names"
                );
            }

            location = new Location(name, position) { Translates = page };
            if (page is not null)
            {
                Find(page, position);
                location.Values = [new InitialValue(0) { Entry = instructionSet.PageEntries!.Default(page) }];
            }

            _locations.Add(name, location);
            _order.Add(location);
        }

        return location;
    }

    /// <summary>Gets the variables, their types decided; call it when everything has been read.</summary>
    public List<Variable> Variables()
    {
        foreach ((string name, int element, SourcePosition position) in _addresses)
        {
            if (element < 0 || element >= _locations[name].Values.Length)
            {
                throw scanner.Error(
                    position,
                    $"found {name}[{element}], but {name} has {Plural.Of(_locations[name].Values.Length, "element")}"
                );
            }
        }

        return _order.ConvertAll(location =>
        {
            DataType type = location.Translates is not null
                ? DataType.TableEntry
                : location.Type ?? Undeclared(location.Values[0], location.WidestAccess);
            foreach (
                InitialValue value in location.Values.Where(value => !value.IsAddress && !type.CanHold(value.Number))
            )
            {
                throw scanner.Error(
                    location.Position,
                    $"found the initial value {(long)value.Number} of "
                        + $"{location.Name}, which its type {type.Name} cannot hold"
                );
            }

            if (type.Width != 8 && Array.Exists(location.Values, value => value.IsAddress))
            {
                throw scanner.Error(
                    location.Position,
                    $"found an address as a value of {location.Name}, which "
                        + $"has type {type.Name}; expected a type of 8 bytes"
                );
            }

            return new Variable
            {
                Name = location.Name,
                Position = location.Position,
                Type = type,
                IsArray = location.IsArray,
                IsCode = location.IsCode,
                IsUnmapped = location.IsUnmapped,
                Translates = location.Translates,
                InitialValues = Array.ConvertAll(
                    location.Values,
                    value => value with { Number = type.Truncate(value.Number) }
                ),
            };
        });
    }

    private static DataType Undeclared(InitialValue value, int widestAccess)
    {
        if (value.IsAddress)
        {
            return DataType.Pointer;
        }

        bool wide = widestAccess > DataType.Int.Width || value.Number != (ulong)(int)value.Number;
        return wide ? DataType.SignedOf(8) : DataType.Int;
    }
}
